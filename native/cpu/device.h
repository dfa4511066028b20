#pragma once

#include <cstddef>

#include "cpu/kernels-isa.h"

namespace ocrnet::cpu {

/// What the operations need to know of the processor.
struct Device {
  int threads;
  Isa isa;
  bool bfloat16;  // AVX512-BF16 or AMX: a plan in bfloat16 is worth running
};

Device describeDevice(int threads);

}  // namespace ocrnet::cpu

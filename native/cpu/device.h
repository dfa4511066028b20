#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cpu/isa.h"

namespace ocrnet::cpu {

/// What the operations need to know of the processor.
struct Device {
  int threads;
  Isa isa;
  bool bfloat16;  // AVX512-BF16 or AMX: a plan in bfloat16 is worth running
};

Device describeDevice(int threads);

/// Cores that this process may use: those of its affinity mask, two hyperthreads counted as one, and no more
/// than its control groups grant.
int availableCores();

/// What of the processor's instructions matters here, in the words of /proc/cpuinfo.
std::vector<std::string> processorFeatures();

/// As the system names it; "unknown" where it does not.
std::string processorModel();

}  // namespace ocrnet::cpu

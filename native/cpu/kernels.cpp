#include "cpu/kernels/kernels.h"

#include "cpu/isa-dispatch.h"

namespace ocrnet::cpu {

OCRNET_DEFINE_KERNELS_FOR

}  // namespace ocrnet::cpu

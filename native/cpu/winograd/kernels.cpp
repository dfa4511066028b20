#include "cpu/winograd/kernels/kernels.h"

#include "cpu/isa-dispatch.h"

namespace ocrnet::cpu::winograd {

OCRNET_DEFINE_KERNELS_FOR

}  // namespace ocrnet::cpu::winograd

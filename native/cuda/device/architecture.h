#pragma once

#include <cuda_runtime.h>

/// Whether the code that is being made is for GPUs of compute capability 7.5, which lack asynchronous copies
/// and tensor cores for bfloat16 and tf32.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define OCRNET_BEFORE_AMPERE 1
#else
#define OCRNET_BEFORE_AMPERE 0
#endif

namespace ocrnet::cuda {

inline constexpr bool kBeforeAmpere = OCRNET_BEFORE_AMPERE;

/// Blocks that a multiprocessor is to have room for at once. Those of 7.5 have memory for fewer, and ordinary
/// copies want registers.
constexpr int atOnce(int blocks) { return kBeforeAmpere ? 1 : blocks; }

/// In place of what no plan asks a GPU for.
__device__ __forceinline__ void stop() {
#if OCRNET_BEFORE_AMPERE
  __trap();
#endif
}

}  // namespace ocrnet::cuda

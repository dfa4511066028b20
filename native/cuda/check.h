#pragma once

#include <cuda_runtime.h>

namespace ocrnet::cuda {

[[noreturn]] void throwCudaError(cudaError_t error);

/// Throws Error: OUT_OF_MEMORY, or EXECUTION_FAILED with CUDA's words.
inline void check(cudaError_t error) {
  if (error != cudaSuccess) throwCudaError(error);
}

}  // namespace ocrnet::cuda

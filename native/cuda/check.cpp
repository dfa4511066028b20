#include "cuda/check.h"

#include <string>

#include "core/error.h"

namespace ocrnet::cuda {

void throwCudaError(cudaError_t error) {
  const std::string text = std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
  if (error == cudaErrorMemoryAllocation) throw Error("OUT_OF_MEMORY", "The GPU gives no more memory");
  throw Error("EXECUTION_FAILED", "CUDA failed with " + text);
}

}  // namespace ocrnet::cuda

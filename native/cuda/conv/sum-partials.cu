#include "core/integers.h"
#include "cuda/conv/sum-partials.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

namespace {

constexpr unsigned kSumThreads = 256;

__global__ void __launch_bounds__(kSumThreads)
    sumPartialsKernel(const float* partials, std::int64_t parts, std::int64_t elements, float* result) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  if (i >= elements) return;
  float sum = 0;
  for (std::int64_t part = 0; part < parts; ++part) sum += partials[part * elements + i];
  result[i] = sum;
}

}  // namespace

void sumPartials(const float* partials, std::int64_t parts, std::int64_t elements, float* result,
                 cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(divideUp(elements, std::int64_t{kSumThreads}));
  launch<sumPartialsKernel>({dim3(blocks), kSumThreads}, stream, partials, parts, elements, result);
}

}  // namespace ocrnet::cuda::conv

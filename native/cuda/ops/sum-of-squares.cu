// Bound by reading the vector.

#include "cuda/device/element.h"
#include "cuda/ops/sum-of-squares.h"
#include "cuda/ops/total.h"

namespace ocrnet::cuda {

namespace {

/// The last pack of a vector may be a part of one.
constexpr int kSquaresPack = 4;

template <bool aligned>
__global__ void __launch_bounds__(kElementThreads)
    sumOfSquaresKernel(const float* x, std::int64_t count, std::int64_t packs, double* sums) {
  sumBlock(packs, sums, [=](std::int64_t pack) {
    const std::int64_t first = pack * kSquaresPack;
    float values[kSquaresPack];
    if (aligned && first + kSquaresPack <= count) {
      loadPack<kSquaresPack>(x + first, values);
    } else {
#pragma unroll
      for (int k = 0; k < kSquaresPack; ++k) values[k] = first + k < count ? x[first + k] : 0;
    }
    double sum = 0;
#pragma unroll
    for (int k = 0; k < kSquaresPack; ++k)
      sum += static_cast<double>(values[k]) * static_cast<double>(values[k]);
    return sum;
  });
}

}  // namespace

SumOfSquares::SumOfSquares(std::int64_t count)
    : count_(count), packs_(divideUp(count, std::int64_t{kSquaresPack})) {}

std::int64_t SumOfSquares::parts() const { return totalBlocks(packs_); }

void SumOfSquares::enqueue(const float* x, double* sums, cudaStream_t stream) const {
  const LaunchShape shape = totalShape(packs_);
  if (reinterpret_cast<std::uintptr_t>(x) % sizeof(float4) == 0) {
    launch<sumOfSquaresKernel<true>>(shape, stream, x, count_, packs_, sums);
  } else {
    launch<sumOfSquaresKernel<false>>(shape, stream, x, count_, packs_, sums);
  }
}

}  // namespace ocrnet::cuda

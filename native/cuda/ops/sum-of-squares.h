#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace ocrnet::cuda {

/// The sum of a vector's squares in float64, which does not overflow where the squares of float32 do: finite
/// where all numbers are. Left in parts, which `totalOf` (cuda/ops/total.h) adds.
class SumOfSquares {
 public:
  explicit SumOfSquares(std::int64_t count);

  std::int64_t parts() const;
  std::size_t bytes() const { return static_cast<std::size_t>(parts()) * sizeof(double); }
  void enqueue(const float* x, double* sums, cudaStream_t stream) const;

 private:
  std::int64_t count_, packs_;
};

}  // namespace ocrnet::cuda

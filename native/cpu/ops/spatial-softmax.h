#pragma once

#include "cpu/ops/direct.h"
#include "cpu/ops/pixel-blocks.h"

namespace ocrnet::cpu {

/// Soft object regions from class scores: the softmax over the pixels of each class.
class SoftmaxOverPixels {
 public:
  SoftmaxOverPixels(const TensorInfo& logits, float scale, const Device&);

  std::int64_t scratchFloats() const { return 2 * blocks_.count() * classes_ + threads_ * threadFloats(); }
  /// `regions` is (pixels, classes).
  void run(const void* logits, float* regions, float* scratch) const;

 private:
  std::int64_t threadFloats() const { return 2 * classes_ * kMostLanes; }

  PixelBlocks blocks_;
  std::int64_t classes_;
  DataType type_;
  std::int64_t stride_;
  float scale_;
  int threads_;
  const Kernels& kernels_;
};

}  // namespace ocrnet::cpu

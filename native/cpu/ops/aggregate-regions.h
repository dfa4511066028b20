#pragma once

#include "cpu/ops/direct.h"
#include "cpu/ops/pixel-blocks.h"

namespace ocrnet::cpu {

/// Object region representations: of each class the sum of all pixels' features, by their shares in its
/// region.
class RegionAggregation {
 public:
  RegionAggregation(std::int64_t classes, const TensorInfo& features, const Device&);

  std::int64_t scratchFloats() const { return chunks_.count() * chunkFloats(); }
  /// `regions` is (pixels, classes), y (batch, classes, channels).
  void run(const float* regions, const void* features, std::byte* y, float* scratch) const;

 private:
  std::int64_t chunkFloats() const { return classes_ * paddedChannels_; }

  PixelBlocks chunks_;  // of one image
  std::int64_t batch_, classes_, channels_, paddedChannels_;
  DataType type_;
  std::int64_t stride_;
  int threads_;
  const Kernels& kernels_;
};

}  // namespace ocrnet::cpu

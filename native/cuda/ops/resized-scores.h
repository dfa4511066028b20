#pragma once

#include "core/bilinear.h"
#include "cuda/map-packs.h"

namespace ocrnet::cuda {

__device__ __forceinline__ float mixed(float a, float b, float weight) {
  return fmaf(weight, b, (1 - weight) * a);
}

/// The scores of one pixel of logits that are resized, which are nowhere held.
struct PixelScores {
  const float *upperLeft, *upperRight, *lowerLeft, *lowerRight;  // (classes)
  float lower, right;                                            // weights

  __device__ __forceinline__ float operator()(std::int64_t k) const {
    return mixed(mixed(upperLeft[k], lowerLeft[k], lower), mixed(upperRight[k], lowerRight[k], lower), right);
  }
};

/// Logits (N, height, width, classes) as if they had another size.
struct ResizedScores {
  std::int64_t height, width, classes;
  const float* logits;
  const BilinearTap *rows, *columns;  // of the other size

  __device__ __forceinline__ PixelScores at(const MapPacks::Place& place) const {
    const BilinearTap vertical = rows[place.row], horizontal = columns[place.column];
    const float* const upper = logits + (place.image * height + vertical.first) * width * classes;
    const float* const lower = logits + (place.image * height + vertical.second) * width * classes;
    const std::int64_t left = horizontal.first * classes, right = horizontal.second * classes;
    return {upper + left, upper + right, lower + left, lower + right, vertical.weight, horizontal.weight};
  }
};

}  // namespace ocrnet::cuda

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ocrnet {

/// One output row (or column) of a bilinear resize: (1 − weight) · source[first] + weight · source[second].
struct BilinearTap {
  std::int32_t first, second;
  float weight;
};

/// The taps of one axis, as PyTorch's interpolate places them (see lib/ops/resize-bilinear.ts), from
/// positions in float64.
inline std::vector<BilinearTap> bilinearTaps(std::int64_t inputSize, std::int64_t outputSize,
                                             bool alignCorners) {
  std::vector<BilinearTap> taps(outputSize);
  const double last = static_cast<double>(inputSize - 1);
  for (std::int64_t i = 0; i < outputSize; ++i) {
    double source = 0;
    if (!alignCorners) {
      source = std::max(0.0, (i + 0.5) * inputSize / outputSize - 0.5);
    } else if (outputSize > 1) {
      source = i * last / (outputSize - 1);
    }
    const auto first = static_cast<std::int32_t>(std::min(source, last));
    const auto second = static_cast<std::int32_t>(std::min<std::int64_t>(first + 1, inputSize - 1));
    taps[i] = {first, second, static_cast<float>(std::min(source, last) - first)};
  }
  return taps;
}

/// What one source row (or column) gave to the outputs `first` to `end` − 1: weights[weight] and on of it.
struct BilinearShare {
  std::int32_t first, end, weight;
};

/// The taps of an axis seen from their sources. Empty shares are those of sources that nothing was made from.
struct BilinearShares {
  std::vector<BilinearShare> shares;
  std::vector<float> weights;
};

/// Taps are in the order of their sources: what a source gave lies side by side.
inline BilinearShares bilinearShares(const std::vector<BilinearTap>& taps, std::int64_t inputSize) {
  BilinearShares result;
  const auto end = static_cast<std::int32_t>(taps.size());
  std::int32_t first = 0;
  for (std::int64_t source = 0; source < inputSize; ++source) {
    while (first < end && taps[first].second < source) ++first;
    BilinearShare share{first, first, static_cast<std::int32_t>(result.weights.size())};
    for (; share.end < end && taps[share.end].first <= source; ++share.end) {
      const auto& [low, high, weight] = taps[share.end];
      result.weights.push_back((low == source ? 1 - weight : 0) + (high == source ? weight : 0));
    }
    result.shares.push_back(share);
  }
  return result;
}

}  // namespace ocrnet

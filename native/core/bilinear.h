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

}  // namespace ocrnet

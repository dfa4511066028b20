#pragma once

#include <cstdint>

namespace ocrnet {

/// The state of dynamic loss scaling (lib/ops/adjust-loss-scale.ts). constexpr, so that kernels have it, too.
struct LossScale {
  float scale, steps;  // since the scale has changed

  constexpr LossScale after(bool finite, std::int32_t growthInterval) const {
    constexpr float kMost = 0x1p126f, kLeast = 0x1p-126f;
    if (!finite) return {scale / 2 > kLeast ? scale / 2 : kLeast, 0};
    if (steps + 1 < static_cast<float>(growthInterval)) return {scale, steps + 1};
    return {scale * 2 < kMost ? scale * 2 : kMost, 0};
  }
};

}  // namespace ocrnet

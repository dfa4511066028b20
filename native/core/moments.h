#pragma once

#include <cstdint>

namespace ocrnet {

/// Neighbouring pixels whose moments conv2dMoments takes together: lib/ops/conv2d-moments.ts.
inline constexpr std::int64_t kMomentPixels = 64;

}  // namespace ocrnet

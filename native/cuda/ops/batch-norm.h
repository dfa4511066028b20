#pragma once

#include "core/error.h"
#include "cuda/ops/channel-tiles.h"

namespace ocrnet::cuda {

/// What forward and backward compute before residual and activation, with the same bits: a pixel that was
/// clipped there counts as clipped here, however near the corner it lies.
__device__ __forceinline__ float normalised(float centred, float scale, float bias) {
  return fmaf(centred, scale, bias);
}

/// Floats of one vector over the channels, and of one for each range, in whole pieces of 256 bytes.
inline constexpr std::int64_t kScratchFloats = 64;
inline std::int64_t vectorFloats(std::int64_t channels) { return roundUp(channels, kScratchFloats); }
inline std::int64_t partialFloats(const PixelRanges& ranges) {
  return roundUp(ranges.count() * ranges.channels, kScratchFloats);
}

/// Throws Error("UNSUPPORTED") where the statistics are those of a group.
inline void requireAlone(bool synchronised) {
  if (synchronised) throw Error("UNSUPPORTED", "needs groups of GPUs, which the CUDA device does not have");
}

}  // namespace ocrnet::cuda

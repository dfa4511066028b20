#pragma once

// What the warpgroups' products have in common on the host: which problems the copy engine can walk, and
// which tiles fit.

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/integers.h"
#include "cuda/conv/packed-filter.h"
#include "cuda/conv/warpgroup-tile.h"
#include "cuda/device.h"

namespace ocrnet::cuda::conv {

#if OCRNET_HOPPER
inline constexpr bool kHasWarpgroups = true;
#else
inline constexpr bool kHasWarpgroups = false;  // this build has no machine code for compute capability 9.0
#endif

/// Channels that a thread writes at once.
inline constexpr int kWarpgroupFinished = 8;

inline WalkedAxis walked(const Axis& axis) {
  const int shift = std::max(0, (1 - axis.taps) * axis.step);
  return {.results = axis.results,
          .taps = axis.taps,
          .first = axis.offset - shift,
          .multiplier = axis.multiplier,
          .step = axis.step,
          .shift = shift};
}

inline PixelRange rangeOf(const WalkedAxis& axis) {
  return {axis.first, axis.start(axis.results - 1), axis.multiplier};
}

/// Whether the copy engine's numbers are wide enough.
inline bool isWalkable(const Axis& axis) {
  constexpr int kMostStride = 8, kMostOffset = 254, kMostBeyond = 127;
  if (axis.divisor != 1 || axis.multiplier > kMostStride) return false;
  const WalkedAxis walk = walked(axis);
  const PixelRange range = rangeOf(walk);
  const int beyond = range.last - (axis.sources - 1);
  return std::max(walk.offset(0), walk.offset(axis.taps - 1)) <= kMostOffset &&
         std::max(std::abs(range.first), std::abs(beyond)) <= kMostBeyond;
}

inline int boxElementsOf(const Problem& p) {
  return kBoxRowBytes / static_cast<int>(bytesPerElement(p.sourceType));
}

inline bool supportsWarpgroups(const Problem& p, const Device& device) {
  constexpr int kHopper = 90, kMostDepth = 1 << 28;
  return kHasWarpgroups && device.computeCapability == kHopper && p.groups == 1 && p.wide &&
         p.resultChannels % kWarpgroupFinished == 0 &&
         std::int64_t{p.taps()} * (p.sourceChannels + boxElementsOf(p)) <= kMostDepth &&
         isWalkable(p.vertical) && isWalkable(p.horizontal);
}

/// Tiles whose last is nearly empty only where there are none narrower.
inline bool fitsColumns(int number, int columns) {
  return columns == 64 || roundUp(number, columns) - number <= number / 4;
}

/// For so many tiles, of all blocks of a cluster.
template <class Tile>
int blocksOf(int tiles, const Device& device) {
  const int atOnce = device.multiprocessors * Tile::blocksAtOnce / Tile::cluster;
  return std::min(tiles, std::max(1, atOnce)) * Tile::cluster;
}

inline Images sourcesOf(const Problem& p, const void* data) {
  return {.type = p.sourceType,
          .data = data,
          .batch = p.batch,
          .height = p.vertical.sources,
          .width = p.horizontal.sources,
          .channels = p.sourceChannels,
          .stride = p.sourceStride};
}

/// "wgmma bf16 128×256"
std::string warpgroupName(const Problem& p, int columns);

}  // namespace ocrnet::cuda::conv

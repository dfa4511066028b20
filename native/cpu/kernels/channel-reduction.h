#pragma once

// Sums over pixels, one a channel. A few pixels at a time pass under all channels, so that memory is read
// from front to back, and a tile of channels keeps its sums in registers meanwhile.

#include "core/range.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

inline constexpr std::int64_t kGroupPixels = 16;

template <int kVectors, int kSums, class Lanes, class AddTerm>
inline void reduceTile(Range pixels, std::int64_t channel, Lanes lanes, float* const (&sums)[kSums],
                       const AddTerm& addTerm) {
  Vec total[kVectors][kSums];
  for (int v = 0; v < kVectors; ++v) {
    for (int s = 0; s < kSums; ++s) total[v][s] = load(sums[s] + channel + v * kLanes);
  }
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel) {
    for (int v = 0; v < kVectors; ++v) addTerm(pixel, channel + v * kLanes, lanes, total[v]);
  }
  for (int v = 0; v < kVectors; ++v) {
    for (int s = 0; s < kSums; ++s) store(sums[s] + channel + v * kLanes, total[v][s]);
  }
}

/// addTerm(pixel, channel, lanes, totals) adds one vector of each of kSums terms to the totals; what it adds
/// in lanes behind the last channel is never read.
template <int kSums, class AddTerm>
inline void reduceChannels(Range pixels, Range channels, float* const (&sums)[kSums],
                           const AddTerm& addTerm) {
  constexpr int kTileVectors = 4;
  for (std::int64_t first = pixels.first; first < pixels.end; first += kGroupPixels) {
    const Range group{first, first + kGroupPixels < pixels.end ? first + kGroupPixels : pixels.end};
    std::int64_t c = channels.first;
    for (; c + kTileVectors * kLanes <= channels.end; c += kTileVectors * kLanes) {
      reduceTile<kTileVectors>(group, c, Whole{}, sums, addTerm);
    }
    for (; c + kLanes <= channels.end; c += kLanes) reduceTile<1>(group, c, Whole{}, sums, addTerm);
    if (c < channels.end) reduceTile<1>(group, c, First{channels.end - c}, sums, addTerm);
  }
}

/// Zeroes the sums of a range of channels, up to the end of its last vector.
inline void clearSums(Range channels, float* sums) {
  for (std::int64_t c = channels.first; c < channels.end; c += kLanes) store(sums + c, zero());
}

}  // namespace ocrnet::cpu::OCRNET_ISA

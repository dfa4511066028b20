#pragma once

// Passes over pixels with vectors of one number a channel. Memory is read from front to back as far as that
// goes: where those vectors do not fit into the nearest cache, a few pixels pass under all channels together,
// so that what belongs to a channel is fetched once for all of them. They are few because rows of 2ⁿ channels
// meet in the same places of the cache.

#include "core/range.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// Beyond so many channels, their vectors and the pixels crowd each other out.
inline constexpr std::int64_t kManyChannels = 1024;
inline constexpr std::int64_t kFewPixels = 4;

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

/// A tile of channels keeps its sums in registers while a group of pixels passes. addTerm(pixel, channel,
/// lanes, totals) adds one vector of each of kSums terms to the totals; what it adds in lanes behind the last
/// channel is never read.
template <int kSums, class AddTerm>
inline void reduceChannels(Range pixels, Range channels, float* const (&sums)[kSums],
                           const AddTerm& addTerm) {
  constexpr int kTileVectors = 4;
  const std::int64_t count = channels.size() > kManyChannels ? kFewPixels : 4 * kFewPixels;
  for (std::int64_t first = pixels.first; first < pixels.end; first += count) {
    const Range group{first, first + count < pixels.end ? first + count : pixels.end};
    std::int64_t c = channels.first;
    for (; c + kTileVectors * kLanes <= channels.end; c += kTileVectors * kLanes) {
      reduceTile<kTileVectors>(group, c, Whole{}, sums, addTerm);
    }
    for (; c + kLanes <= channels.end; c += kLanes) reduceTile<1>(group, c, Whole{}, sums, addTerm);
    if (c < channels.end) reduceTile<1>(group, c, First{channels.end - c}, sums, addTerm);
  }
}

/// body(pixels, channel, lanes) for each group of pixels and each vector of channels.
template <class Body>
inline void eachGroup(Range pixels, std::int64_t channels, const Body& body) {
  const std::int64_t count = channels > kManyChannels ? kFewPixels : 1;
  for (std::int64_t first = pixels.first; first < pixels.end; first += count) {
    const Range group{first, first + count < pixels.end ? first + count : pixels.end};
    eachVector(channels, [&](std::int64_t c, auto lanes) { body(group, c, lanes); });
  }
}

/// Zeroes the sums of a range of channels, up to the end of its last vector.
inline void clearSums(Range channels, float* sums) {
  for (std::int64_t c = channels.first; c < channels.end; c += kLanes) store(sums + c, zero());
}

}  // namespace ocrnet::cpu::OCRNET_ISA

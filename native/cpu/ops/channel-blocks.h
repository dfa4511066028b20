#pragma once

// How sums over all pixels are cut: into blocks of a fixed size, whose partial sums lie in scratch and are
// added in their order and in float64, so that no result depends on the number of threads. Maps of few pixels
// are cut along the channels too.

#include <algorithm>

#include "core/integers.h"
#include "cpu/kernels/kernels.h"
#include "cpu/op.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

struct ChannelBlocks {
  std::int64_t pixels, channels;

  static constexpr std::int64_t kBlockPixels = 256, kPartChannels = 64, kManyBlocks = 8;
  static_assert(kPartChannels % kMostLanes == 0);

  explicit ChannelBlocks(const TensorInfo& x) : pixels(x.pixels()), channels(x.channels()) {}

  std::int64_t count() const { return divideUp(pixels, kBlockPixels); }
  Range pixelsOf(std::int64_t block) const {
    return {block * kBlockPixels, std::min((block + 1) * kBlockPixels, pixels)};
  }
  /// Floats of one vector of partial sums.
  std::int64_t stride() const { return roundUp(channels, kMostLanes); }
  /// `vectors` of them for each block.
  std::int64_t partialFloats(std::int64_t vectors) const { return vectors * count() * stride(); }

  /// body(block, channels) for all blocks and all channels of each.
  template <class Body>
  void each(int threads, const Body& body) const {
    const std::int64_t partChannels = count() < kManyBlocks ? kPartChannels : channels;
    const std::int64_t parts = divideUp(channels, partChannels);
    const std::int64_t grain =
        pixelGrain(std::min(partChannels, channels)) / std::min(kBlockPixels, pixels) + 1;
    parallel(threads, count() * parts, grain, [&](Range range, int) {
      for (std::int64_t i = range.first; i < range.end; ++i) {
        const std::int64_t first = i % parts * partChannels;
        body(i / parts, Range{first, std::min(first + partChannels, channels)});
      }
    });
  }

  /// body(pixels) for all blocks; each thread begins with what it read last in `each`.
  template <class Body>
  void eachBackwards(int threads, const Body& body) const {
    parallel(threads, count(), pixelGrain(channels) / kBlockPixels + 1, [&](Range range, int) {
      for (std::int64_t block = range.end - 1; block >= range.first; --block) body(pixelsOf(block));
    });
  }

  /// body(channels) for all channels, where each costs as much as there are blocks.
  template <class Body>
  void eachChannels(int threads, const Body& body) const {
    parallel(threads, channels, pixelGrain(count()), [&](Range range, int) { body(range); });
  }

  /// totals[c] = the sum of the partial sums of channel c, for a range of channels.
  void total(const float* partial, Range range, double* totals) const {
    std::fill(totals + range.first, totals + range.end, 0.0);
    for (std::int64_t block = 0; block < count(); ++block) {
      const float* const sums = partial + block * stride();
      for (std::int64_t c = range.first; c < range.end; ++c) totals[c] += static_cast<double>(sums[c]);
    }
  }
};

}  // namespace ocrnet::cpu

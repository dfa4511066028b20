#pragma once

// What sums over pixels by classes have in common. They are cut into splits, whose partial sums are added in
// their order: the cut depends on the sizes alone.

#include <algorithm>

#include "core/integers.h"
#include "cuda/device.h"
#include "cuda/ops/region-product.h"
#include "cuda/ops/tile-product.h"

namespace ocrnet::cuda {

/// The results' columns in a tile: channels, or pixels of scores.
inline constexpr int kTileColumns = 64;

/// body(T{}, engine, whether packed) for products of float32 numbers with those of a type. Without tensor
/// cores for bfloat16 float16 is multiplied as float32, element by element.
template <class Body>
void withMixedEngine(const Device& device, DataType type, const void* data, std::int64_t stride,
                     std::int64_t channels, const Body& body) {
  withFloatType(type, [&](auto element) {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, Float16>) {
      if (!device.multipliesWideTypes()) return body(element, Simt{}, std::false_type{});
    }
    fitsPacked<T>(data, stride, channels) ? body(element, MixedEngineFor<T>{}, std::true_type{})
                                          : body(element, MixedEngineFor<T>{}, std::false_type{});
  });
}

/// How the pixels are cut for sums over them: enough blocks for any GPU, unless few pixels are left to each.
struct Splits {
  std::int64_t pixels, count, paddedChannels;  // of a split; of them; in the partial sums

  explicit Splits(const RegionSizes& s) {
    constexpr std::int64_t kManyBlocks = 256, kLeastPixels = 256, kTileClasses = 192;
    paddedChannels = roundUp(s.channels, kTileColumns);
    const std::int64_t tiles = s.images * divideUp(s.classes, kTileClasses) * (paddedChannels / kTileColumns);
    const std::int64_t wanted = divideUp(kManyBlocks, tiles);
    pixels = std::max(kLeastPixels, roundUp(divideUp(s.pixels, wanted), kTileColumns));
    count = divideUp(s.pixels, pixels);
  }
  std::int64_t floats(const RegionSizes& s) const { return count * s.classes * paddedChannels; }
};

}  // namespace ocrnet::cuda

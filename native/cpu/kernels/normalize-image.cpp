#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// The pixels in groups of kLanes: a group is one vector for each channel, and lane j of vector v always
/// belongs to channel (v · kLanes + j) mod channels, so scale and shift repeat with the group.
template <std::int64_t channels, bool reverse, class T>
void normalizeGroups(const NormalizeImage& n, Range pixels) {
  constexpr std::int64_t group = channels * kLanes;
  float scale[group], shift[group];
  for (std::int64_t i = 0; i < group; ++i) {
    scale[i] = n.scale[i % channels];
    shift[i] = n.shift[i % channels];
  }
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kLanes) {
    const std::int64_t inside = pixels.end - pixel < kLanes ? pixels.end - pixel : kLanes;
    const std::uint8_t* bytes = n.image + pixel * channels;
    T* const y = static_cast<T*>(n.y) + pixel * channels;
    std::uint8_t reversed[group];
    if constexpr (reverse) {
      for (std::int64_t i = 0; i < inside; ++i) {
        for (std::int64_t c = 0; c < channels; ++c)
          reversed[i * channels + c] = bytes[i * channels + channels - 1 - c];
      }
      bytes = reversed;
    }
    eachVector(inside * channels, [&](std::int64_t i, auto lanes) {
      store(y + i, fma(load(bytes + i, lanes), load(scale + i), load(shift + i)), lanes);
    });
  }
}

/// Any number of channels.
template <class T>
void normalizePixels(const NormalizeImage& n, Range pixels) {
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel) {
    for (std::int64_t c = 0; c < n.channels; ++c) {
      const std::int64_t source = n.reverseChannels ? n.channels - 1 - c : c;
      const Vec value = broadcast(static_cast<float>(n.image[pixel * n.channels + source]));
      store(static_cast<T*>(n.y) + pixel * n.channels + c,
            fma(value, broadcast(n.scale[c]), broadcast(n.shift[c])), First{1});
    }
  }
}

}  // namespace

void normalizeImage(const NormalizeImage& n, Range pixels) {
  withFloatType(n.outputType, [&](auto type) {
    using T = decltype(type);
    if (n.channels != 3) return normalizePixels<T>(n, pixels);
    if (n.reverseChannels) return normalizeGroups<3, true, T>(n, pixels);
    normalizeGroups<3, false, T>(n, pixels);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

// The filter's gradient of a depthwise convolution, in float32: for each channel and tap a sum over pixels.
// A row of dy and the rows of x that it meets stay in the first-level cache for all taps; several vectors of
// channels at once are as many independent sums as the processor can have under way.

#include <algorithm>

#include "cpu/kernels/table.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// Output columns whose tap lies inside the image.
Range columnsInside(const DepthwiseFilterGradient& g, std::int64_t offset) {
  const std::int64_t first = offset < 0 ? (-offset + g.stride - 1) / g.stride : 0;
  const std::int64_t end = offset < g.width ? (g.width - 1 - offset) / g.stride + 1 : 0;
  return {first, std::min(end, g.outputWidth)};
}

template <int vectors, class Lanes>
void sumTaps(const DepthwiseFilterGradient& g, std::int64_t channel, std::int64_t channels, Lanes lanes) {
  const std::int64_t taps = g.kernelHeight * g.kernelWidth;
  float sums[kMostDepthwiseTaps][vectors * kLanes];
  for (std::int64_t tap = 0; tap < taps; ++tap) std::fill_n(sums[tap], vectors * kLanes, 0.0f);
  for (std::int64_t row = 0; row < g.batch * g.outputHeight; ++row) {
    const std::int64_t image = row / g.outputHeight, first = row % g.outputHeight * g.stride - g.padding;
    const float* const dy =
        static_cast<const float*>(g.dy.data) + row * g.outputWidth * g.dy.stride + channel;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int64_t i = first + tap / g.kernelWidth * g.dilation;
      if (i < 0 || i >= g.height) continue;
      const std::int64_t offset = tap % g.kernelWidth * g.dilation - g.padding;
      const Range columns = columnsInside(g, offset);
      const float* const x = static_cast<const float*>(g.x.data) +
                             ((image * g.height + i) * g.width + offset) * g.x.stride + channel;
      Vec rowSums[vectors];
      for (int n = 0; n < vectors; ++n) rowSums[n] = zero();
      for (std::int64_t column = columns.first; column < columns.end; ++column) {
        const float* const a = dy + column * g.dy.stride;
        const float* const b = x + column * g.stride * g.x.stride;
#pragma GCC unroll 4
        for (int n = 0; n < vectors; ++n) {
          rowSums[n] = fma(load(a + n * kLanes, lanes), load(b + n * kLanes, lanes), rowSums[n]);
        }
      }
      for (int n = 0; n < vectors; ++n) {
        float* const sum = sums[tap] + n * kLanes;
        store(sum, add(load(sum), rowSums[n]));
      }
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t tap = 0; tap < taps; ++tap) g.dFilter[(channel + c) * taps + tap] = sums[tap][c];
  }
}

}  // namespace

void depthwiseFilterGradient(const DepthwiseFilterGradient& g, Range channels) {
  constexpr int most = 4;
  std::int64_t c = channels.first;
  for (; c + most * kLanes <= channels.end; c += most * kLanes) sumTaps<most>(g, c, most * kLanes, Whole{});
  for (; c + kLanes <= channels.end; c += kLanes) sumTaps<1>(g, c, kLanes, Whole{});
  if (c < channels.end) sumTaps<1>(g, c, channels.end - c, First{channels.end - c});
}

}  // namespace ocrnet::cpu::OCRNET_ISA

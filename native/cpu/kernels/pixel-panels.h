#pragma once

// Pixels, rows of channels in any float type, as the operands of kernels/product.h.

#include "cpu/kernels/product.h"
#include "cpu/simd-transpose.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// Panels whose steps are the pixels and whose columns are the channels, times a factor; the last vector is
/// filled up with zeros.
template <class T>
inline void packPixels(const T* x, std::int64_t stride, std::int64_t pixels, std::int64_t channels,
                       float factor, float* panels) {
  const Vec factors = broadcast(factor);
  for (std::int64_t i = 0; i < pixels; ++i, x += stride) {
    for (std::int64_t channel = 0; channel < channels; channel += kPanelColumns) {
      const std::int64_t rest = channels - channel;
      float* const row = panels + channel * pixels + i * vectorsOfPanel(channel, channels) * kLanes;
      eachVector(rest < kPanelColumns ? rest : kPanelColumns, [&](std::int64_t c, auto lanes) {
        store(row + c, mul(factors, load(x + channel + c, lanes)));
      });
    }
  }
}

/// Some lanes of some pixels as a square; what lies beyond is zero.
template <class T, class Lanes>
inline void loadSquare(const T* x, std::int64_t stride, std::int64_t pixels, Lanes lanes,
                       Vec (&square)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) square[i] = i < pixels ? load(x + i * stride, lanes) : zero();
}

/// Panels whose steps are the channels and whose columns are the pixels, times a factor; the last vector is
/// filled up with zeros.
template <class T>
inline void packTransposedPixels(const T* x, std::int64_t stride, std::int64_t pixels, std::int64_t channels,
                                 float factor, float* panels) {
  const Vec factors = broadcast(factor);
  for (std::int64_t pixel = 0; pixel < pixels; pixel += kPanelColumns) {
    const int vectors = vectorsOfPanel(pixel, pixels);
    for (int v = 0; v < vectors; ++v) {
      const std::int64_t first = pixel + v * kLanes;
      eachVector(channels, [&](std::int64_t c, auto lanes) {
        Vec square[kLanes];
        loadSquare(x + first * stride + c, stride, pixels - first, lanes, square);
        transpose(square);
        const std::int64_t steps = channels - c < kLanes ? channels - c : kLanes;
        for (std::int64_t s = 0; s < steps; ++s)
          store(panels + (c + s) * vectors * kLanes + v * kLanes, mul(factors, square[s]));
      });
    }
    panels += channels * vectors * kLanes;
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

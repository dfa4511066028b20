#pragma once

// The three transforms of F(4×4, 3×3), vectorised over channels, for the points 0, ±a, ±b and ∞ with a = √½,
// b = √2.
//
// Lavin and Gray (2016) use ±1 and ±2. With a·b = 1 the powers of the points stay closer to 1, and so do all
// entries of the matrices: half the rounding error at the same number of operations. With p(x) = x (x² −
// a²)(x² − b²):
//
//   Bᵀ  rows  p(x)/x, p(x)/(x ∓ a), p(x)/(x ∓ b), p(x): coefficients of the input's powers
//   G   rows  (1, ±a, a²), (1, ±b, b²) and the unit rows of 0 and ∞
//   Aᵀ  rows  the points' powers 0 … 3, each column times N = 1 / p'(point)
//
// N belongs to G in the literature. In A it costs nothing, because A multiplies by constants anyway; the
// filter transform, which is repeated for every chunk of tiles, loses a third of its operations.
//
// Each is applied to columns, then to rows.

#include "cpu/simd.h"
#include "cpu/winograd/kernels.h"

namespace ocrnet::cpu::winograd::OCRNET_ISA {

using namespace ocrnet::cpu::OCRNET_ISA;

inline constexpr float kA = 0.70710678118654752440f, kB = 1.41421356237309504880f;
inline constexpr float kA2 = 0.5f, kB2 = 2.0f, kA2PlusB2 = 2.5f;
inline constexpr float kNa = -2.0f / 3, kNb = 1.0f / 6;  // 1 / (2a²(a² − b²)), 1 / (2b²(b² − a²))

/// One column of six inputs → six points.
inline void inputPoints(const Vec x[6], Vec* out, int stride) {
  const Vec a = broadcast(kA), b = broadcast(kB), a2 = broadcast(kA2), b2 = broadcast(kB2);
  const Vec sum = broadcast(kA2PlusB2);
  const Vec evenA = fnma(b2, x[2], x[4]), oddA = fnma(b2, x[1], x[3]);
  const Vec evenB = fnma(a2, x[2], x[4]), oddB = fnma(a2, x[1], x[3]);
  out[0 * stride] = add(fnma(sum, x[2], x[4]), x[0]);  // a²b² = 1
  out[1 * stride] = fma(a, oddA, evenA);
  out[2 * stride] = fnma(a, oddA, evenA);
  out[3 * stride] = fma(b, oddB, evenB);
  out[4 * stride] = fnma(b, oddB, evenB);
  out[5 * stride] = add(fnma(sum, x[3], x[5]), x[1]);
}

/// One column of three taps → six points.
inline void filterPoints(Vec g0, Vec g1, Vec g2, Vec* out, int stride) {
  const Vec a = broadcast(kA), b = broadcast(kB);
  const Vec evenA = fma(broadcast(kA2), g2, g0), evenB = fma(broadcast(kB2), g2, g0);
  out[0 * stride] = g0;
  out[1 * stride] = fma(a, g1, evenA);
  out[2 * stride] = fnma(a, g1, evenA);
  out[3 * stride] = fma(b, g1, evenB);
  out[4 * stride] = fnma(b, g1, evenB);
  out[5 * stride] = g2;
}

/// One column of six products → four outputs.
inline void outputPixels(const Vec x[6], Vec* out, int stride) {
  const Vec sumA = add(x[1], x[2]), differenceA = sub(x[1], x[2]);
  const Vec sumB = add(x[3], x[4]), differenceB = sub(x[3], x[4]);
  out[0 * stride] = fma(broadcast(kNb), sumB, fma(broadcast(kNa), sumA, x[0]));
  out[1 * stride] = fma(broadcast(kNb * kB), differenceB, mul(broadcast(kNa * kA), differenceA));
  out[2 * stride] = fma(broadcast(kNb * kB2), sumB, mul(broadcast(kNa * kA2), sumA));
  out[3 * stride] =
      fma(broadcast(kNb * kB2 * kB), differenceB, fma(broadcast(kNa * kA2 * kA), differenceA, x[5]));
}

template <class Load>
inline void inputChannels(const float* const* pixels, int64_t channel, float* v, int64_t pointStride,
                          Load load) {
  Vec columns[kPoints];
  for (int j = 0; j < 6; ++j) {
    Vec x[6];
    for (int i = 0; i < 6; ++i) x[i] = load(pixels[i * 6 + j] + channel);
    inputPoints(x, columns + j, 6);
  }
  for (int i = 0; i < 6; ++i) {
    Vec points[6];
    inputPoints(columns + i * 6, points, 1);
    for (int j = 0; j < 6; ++j) store(v + (i * 6 + j) * pointStride, points[j]);
  }
}

inline void transformInput(const float* const* pixels, int64_t channels, float* v,
                           const InputLayout& layout) {
  for (int64_t first = 0; first < channels; first += layout.channelBlock, v += layout.blockStride) {
    const int64_t count = channels - first < layout.channelBlock ? channels - first : layout.channelBlock;
    int64_t c = 0;
    for (; c + kLanes <= count; c += kLanes) {
      inputChannels(pixels, first + c, v + c, layout.pointStride, [](const float* p) { return load(p); });
    }
    if (c < count) {
      const int64_t rest = count - c;
      inputChannels(pixels, first + c, v + c, layout.pointStride,
                    [rest](const float* p) { return loadFirst(p, rest); });
    }
  }
}

inline void transformFilter(const float* taps, int64_t channels, int64_t panel, float* u,
                            int64_t pointStride) {
  for (int64_t c = 0; c < channels; ++c) {
    // The taps come from memory in one long stream, shorter than what the hardware would need to run ahead.
    for (int64_t line = 0; line < kTaps * panel; line += 16)
      __builtin_prefetch(taps + 4 * kTaps * panel + line);
    for (int64_t k = 0; k < panel; k += kLanes) {
      Vec columns[18];
      for (int j = 0; j < 3; ++j) {
        filterPoints(load(taps + j * panel + k), load(taps + (3 + j) * panel + k),
                     load(taps + (6 + j) * panel + k), columns + j, 3);
      }
      for (int i = 0; i < 6; ++i) {
        Vec points[6];
        filterPoints(columns[i * 3], columns[i * 3 + 1], columns[i * 3 + 2], points, 1);
        for (int j = 0; j < 6; ++j) store(u + (i * 6 + j) * pointStride + k, points[j]);
      }
    }
    taps += kTaps * panel;
    u += panel;
  }
}

template <Activation activation>
inline Vec activate(Vec x, Vec slope) {
  if constexpr (activation == Activation::relu) return max(zero(), x);
  if constexpr (activation == Activation::relu6) return min(broadcast(6), max(zero(), x));
  if constexpr (activation == Activation::leakyRelu) return fma(slope, min(zero(), x), max(zero(), x));
  return x;
}

template <Activation activation, class Load, class Store>
inline void outputChannels(const OutputTile& tile, int64_t channel, Load load, Store store) {
  const float* m = tile.products + channel;
  Vec columns[24];
  for (int j = 0; j < 6; ++j) {
    Vec x[6];
    for (int i = 0; i < 6; ++i) x[i] = OCRNET_ISA::load(m + (i * 6 + j) * tile.pointStride);
    outputPixels(x, columns + j, 6);
  }
  const Vec slope = broadcast(tile.slope);
  const Vec bias = tile.bias ? load(tile.bias + channel) : zero();
  const int rows = static_cast<int>(tile.rows), last = static_cast<int>(tile.columns);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if (i >= rows) break;
    Vec pixels[4];
    outputPixels(columns + i * 6, pixels, 1);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if (j >= last) break;
      Vec x = add(pixels[j], bias);
      if (tile.residual) {
        x = add(x,
                load(tile.residual + i * tile.residualRowStride + j * tile.residualColumnStride + channel));
      }
      store(tile.y + i * tile.rowStride + j * tile.columnStride + channel, activate<activation>(x, slope));
    }
  }
}

template <Activation activation>
inline void outputTile(const OutputTile& tile) {
  int64_t c = 0;
  for (; c + kLanes <= tile.channels; c += kLanes) {
    outputChannels<activation>(
        tile, c, [](const float* p) { return load(p); }, [](float* p, Vec x) { store(p, x); });
  }
  if (c < tile.channels) {
    const int64_t rest = tile.channels - c;
    outputChannels<activation>(
        tile, c, [rest](const float* p) { return loadFirst(p, rest); },
        [rest](float* p, Vec x) { storeFirst(p, x, rest); });
  }
}

inline void transformOutput(const OutputTile& tile) {
  switch (tile.activation) {
    case Activation::none:
      return outputTile<Activation::none>(tile);
    case Activation::relu:
      return outputTile<Activation::relu>(tile);
    case Activation::relu6:
      return outputTile<Activation::relu6>(tile);
    case Activation::leakyRelu:
      return outputTile<Activation::leakyRelu>(tile);
  }
}

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA

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

#include "cpu/kernels/epilogue.h"
#include "cpu/simd-elements.h"
#include "cpu/winograd/kernels/kernels.h"

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

template <class Lanes>
inline void inputChannels(const float* const* pixels, std::int64_t channel, float* v,
                          std::int64_t pointStride, Lanes lanes) {
  Vec columns[kPoints];
  for (int j = 0; j < 6; ++j) {
    Vec x[6];
    for (int i = 0; i < 6; ++i) x[i] = load(pixels[i * 6 + j] + channel, lanes);
    inputPoints(x, columns + j, 6);
  }
  for (int i = 0; i < 6; ++i) {
    Vec points[6];
    inputPoints(columns + i * 6, points, 1);
    for (int j = 0; j < 6; ++j) store(v + (i * 6 + j) * pointStride, points[j]);
  }
}

inline void transformInput(const float* const* pixels, std::int64_t channels, float* v,
                           const InputLayout& layout) {
  for (std::int64_t first = 0; first < channels; first += layout.channelBlock, v += layout.blockStride) {
    const std::int64_t rest = channels - first,
                       count = rest < layout.channelBlock ? rest : layout.channelBlock;
    eachVector(count, [&](std::int64_t c, auto lanes) {
      inputChannels(pixels, first + c, v + c, layout.pointStride, lanes);
    });
  }
}

inline void transformFilter(const float* taps, std::int64_t channels, std::int64_t panel, float* u,
                            std::int64_t pointStride) {
  for (std::int64_t c = 0; c < channels; ++c) {
    // The taps come from memory in one long stream, shorter than what the hardware would need to run ahead.
    for (std::int64_t line = 0; line < kTaps * panel; line += 16)
      __builtin_prefetch(taps + 4 * kTaps * panel + line);
    for (std::int64_t k = 0; k < panel; k += kLanes) {
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

template <class Activate, class Lanes>
inline void outputChannels(const OutputTile& tile, std::int64_t channel, Activate activate, Lanes lanes) {
  const float* const m = tile.products + channel;
  Vec columns[24];
  for (int j = 0; j < 6; ++j) {
    Vec x[6];
    for (int i = 0; i < 6; ++i) x[i] = load(m + (i * 6 + j) * tile.pointStride);
    outputPixels(x, columns + j, 6);
  }
  const Vec bias = tile.bias ? load(tile.bias + channel, lanes) : zero();
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    Vec pixels[4];
    outputPixels(columns + i * 6, pixels, 1);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      float* const y = tile.y[i * 4 + j];
      if (!y) continue;
      const float* const residual = tile.residual[i * 4 + j];
      Vec x = add(pixels[j], bias);
      if (residual) x = add(x, load(residual + channel, lanes));
      store(y + channel, activate(x), lanes);
    }
  }
}

inline void transformOutput(const OutputTile& tile) {
  withActivation(tile.epilogue, [&](auto activate) {
    eachVector(tile.channels, [&](std::int64_t c, auto lanes) { outputChannels(tile, c, activate, lanes); });
  });
}

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA

#pragma once

// The two transforms of the filter's gradient that the forward pass does not have, the transposes of those
// in transforms.h for the same points: dM = A dy Aᵀ and dg = Gᵀ dU G. The factors N are applied to dU, where
// nothing is repeated.

#include "cpu/winograd/kernels/transforms.h"

namespace ocrnet::cpu::winograd::OCRNET_ISA {

/// One column of four gradients → six points, without N.
inline void gradientPoints(const Vec x[4], Vec* out, int stride) {
  const Vec a = broadcast(kA), b = broadcast(kB), a2 = broadcast(kA2), b2 = broadcast(kB2);
  const Vec evenA = fma(a2, x[2], x[0]), oddA = fma(a2, x[3], x[1]);
  const Vec evenB = fma(b2, x[2], x[0]), oddB = fma(b2, x[3], x[1]);
  out[0 * stride] = x[0];
  out[1 * stride] = fma(a, oddA, evenA);
  out[2 * stride] = fnma(a, oddA, evenA);
  out[3 * stride] = fma(b, oddB, evenB);
  out[4 * stride] = fnma(b, oddB, evenB);
  out[5 * stride] = x[3];
}

/// One column of six points → three taps.
inline void filterTaps(const Vec x[6], Vec* out, int stride) {
  const Vec sumA = add(x[1], x[2]), differenceA = sub(x[1], x[2]);
  const Vec sumB = add(x[3], x[4]), differenceB = sub(x[3], x[4]);
  out[0 * stride] = fma(broadcast(kNb), sumB, fma(broadcast(kNa), sumA, x[0]));
  out[1 * stride] = fma(broadcast(kNb * kB), differenceB, mul(broadcast(kNa * kA), differenceA));
  out[2 * stride] = fma(broadcast(kNb * kB2), sumB, fma(broadcast(kNa * kA2), sumA, x[5]));
}

inline void transformGradient(const float* const* pixels, std::int64_t channels, float* m,
                              std::int64_t pointStride) {
  eachVector(channels, [&](std::int64_t c, auto lanes) {
    Vec columns[24];
    for (int j = 0; j < 4; ++j) {
      Vec x[4];
      for (int i = 0; i < 4; ++i) x[i] = load(pixels[i * 4 + j] + c, lanes);
      gradientPoints(x, columns + j, 4);
    }
    for (int i = 0; i < 6; ++i) {
      Vec points[6];
      gradientPoints(columns + i * 4, points, 1);
      for (int j = 0; j < 6; ++j) {
        float* const point = m + (i * 6 + j) * pointStride + c;
        __builtin_prefetch(point + 2 * kLanes, 1);
        store(point, points[j]);
      }
    }
  });
}

inline void transformFilterGradient(const float* u, std::int64_t pointStride, std::int64_t channels,
                                    float* taps, std::int64_t tapStride, bool accumulate) {
  eachVector(channels, [&](std::int64_t c, auto lanes) {
    Vec columns[18];
    for (int j = 0; j < 6; ++j) {
      Vec x[6];
      for (int i = 0; i < 6; ++i) x[i] = load(u + (i * 6 + j) * pointStride + c);
      filterTaps(x, columns + j, 6);
    }
    for (int i = 0; i < 3; ++i) {
      Vec row[3];
      filterTaps(columns + i * 6, row, 1);
      for (int j = 0; j < 3; ++j) {
        float* const tap = taps + (i * 3 + j) * tapStride + c;
        store(tap, accumulate ? add(load(tap, lanes), row[j]) : row[j], lanes);
      }
    }
  });
}

}  // namespace ocrnet::cpu::winograd::OCRNET_ISA

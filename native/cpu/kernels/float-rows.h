#pragma once

// Pixels as products want them on their left: rows of float32.

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/kernels.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// Pixels as float32 rows one after another.
template <class T>
inline void copyPixels(const T* x, std::int64_t stride, std::int64_t pixels, std::int64_t channels,
                       float* rows) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    eachVector(channels, [&](std::int64_t c, auto lanes) {
      store(rows + i * channels + c, load(x + i * stride + c, lanes), lanes);
    });
  }
}

struct FloatRows {
  const float* data;
  std::int64_t stride;
};

/// Some pixels of some channels: where they are, or converted into `rows` (pixels, channels).
inline FloatRows floatRows(DataType type, Source x, std::int64_t firstPixel, std::int64_t pixels,
                           std::int64_t channels, float* rows) {
  if (type == DataType::float32) {
    return {static_cast<const float*>(x.data) + firstPixel * x.stride, x.stride};
  }
  copyPixels(static_cast<const BFloat16*>(x.data) + firstPixel * x.stride, x.stride, pixels, channels, rows);
  return {rows, channels};
}

}  // namespace ocrnet::cpu::OCRNET_ISA

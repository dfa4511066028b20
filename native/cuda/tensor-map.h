#pragma once

// What device/tensor-copy.h copies, as the driver describes it to the GPU. Boxes have rows of 128 bytes,
// swizzled. Elements are bfloat16, float16, or float32, which is rounded to tf32 when it is copied. Addresses
// and strides must be multiples of 16 bytes.

#include <cstdint>

#include "plan/plan.h"

namespace ocrnet::cuda {

/// A tensor and a box, as the driver encodes them: a kernel's __grid_constant__ parameter, or part of one.
struct alignas(128) TensorMap {
  std::uint64_t words[16];
};

/// In a row of a box.
inline constexpr int kBoxRowBytes = 128;
template <class T>
inline constexpr int kBoxElements = kBoxRowBytes / static_cast<int>(sizeof(T));

/// A matrix (rows, columns), with rows `stride` elements apart.
struct Matrix {
  DataType type;
  const void* data;
  std::int64_t rows, columns, stride;
};

/// Boxes of so many of its rows.
TensorMap mapRows(const Matrix& matrix, int rowsOfBox);

/// Images (batch, height, width, channels), with pixels `stride` elements apart.
struct Images {
  DataType type;
  const void* data;
  int batch, height, width, channels;
  std::int64_t stride;
};

/// Along an axis, what a convolution's first tap reads: first, first + step, … last, in pixels of the image
/// or beyond its edges.
struct PixelRange {
  int first, last, step;
};

/// Boxes of so many such pixels, in the order of rows and images. The ranges' ends must lie within 127 pixels
/// of the image's, steps be at most 8.
TensorMap mapPixels(const Images& images, const PixelRange& vertical, const PixelRange& horizontal,
                    int pixelsOfBox);

}  // namespace ocrnet::cuda

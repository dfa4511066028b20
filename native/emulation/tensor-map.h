#pragma once

// Tensors and boxes as the emulated driver encodes them, in the 128 bytes that CUDA keeps secret.

#include <array>
#include <cstddef>
#include <cstdint>

namespace ocrnet::emulation {

/// Of what a copy puts into shared memory.
inline constexpr unsigned kCopiedRowBytes = 128;

struct EncodedMap {
  static constexpr std::uint64_t kMark = 0x74656e736f726d70;

  std::uint64_t mark;
  const std::byte* first;
  std::array<std::uint64_t, 3> strides;  // in bytes, from the second dimension on
  std::array<std::uint32_t, 4> lasts;    // sizes less 1, of which 2³² is one
  std::uint16_t rows;                    // of a box
  bool ofPixels;                         // im2col, of {C, W, H, N}; otherwise a matrix of {columns, rows}
  std::uint8_t elementBytes;
  bool roundsToTf32;
  std::array<std::uint8_t, 4> steps;
  std::array<std::int8_t, 2> lowerCorner, upperCorner;  // of the bounding box: W, H

  unsigned rank() const { return ofPixels ? 4 : 2; }
  std::int64_t size(unsigned dimension) const { return std::int64_t{lasts[dimension]} + 1; }
};

}  // namespace ocrnet::emulation

#pragma once

// Products of tf32 round float32 to ten bits of fraction first, in the processor's memory as on the GPU.

#include <cstdint>

namespace ocrnet {

/// To the nearest number of ten bits of fraction, ties away from zero; NaN stays one.
constexpr std::uint32_t roundedToTf32(std::uint32_t bits) {
  const bool finite = (bits & 0x7f800000) != 0x7f800000;
  return finite ? (bits + 0x1000) & 0xffffe000 : (bits & 0x7fffff) != 0 ? 0x7fffffff : bits;
}

}  // namespace ocrnet

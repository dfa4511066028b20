#pragma once

#include <bit>
#include <cstdint>

namespace ocrnet {

/// The upper half of a float32: storage only, arithmetic is in float32.
struct BFloat16 {
  std::uint16_t bits;
};

inline float toFloat(float x) { return x; }
inline float toFloat(BFloat16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

/// Rounds to nearest even. A NaN stays one: it is made quiet, because rounding could carry it into infinity.
inline BFloat16 toBFloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return {static_cast<std::uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

}  // namespace ocrnet

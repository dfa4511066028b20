#pragma once

#include <bit>
#include <cstdint>

namespace ocrnet {

/// IEEE half precision, five bits of exponent and ten of fraction: storage only, arithmetic is in float32.
struct Float16 {
  std::uint16_t bits;
};

/// Exact: float32 holds every float16, subnormal ones too.
inline float toFloat(Float16 x) {
  constexpr float kSmallest = 0x1p-24f;  // subnormal numbers are multiples of it
  const std::uint32_t sign = std::uint32_t{x.bits & 0x8000u} << 16, magnitude = x.bits & 0x7fffu;
  const std::uint32_t bits = magnitude >= 0x7c00 ? 0x7f800000 | (magnitude & 0x3ff) << 13
                             : magnitude >= 0x400
                                 ? (magnitude << 13) + 0x38000000
                                 : std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * kSmallest);
  return std::bit_cast<float>(sign | bits);
}

/// Rounds to nearest even, into subnormal numbers too. What rounds to 2¹⁶ or more, from 65520 on, becomes
/// infinite; a NaN stays one, made quiet.
inline Float16 toFloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  const auto result = [&](std::uint32_t rounded) {
    return Float16{static_cast<std::uint16_t>(sign | rounded)};
  };
  if (magnitude > 0x7f800000) return result(0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return result(0x7c00);
  if (magnitude < 0x38800000) {
    // Beside ½ a float32 is a multiple of 2⁻²⁴, as a subnormal float16 is: the addition rounds.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return result(std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5f));
  }
  return result((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

}  // namespace ocrnet

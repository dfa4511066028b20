// Conversions of float16 on the host, each number and each place where rounding turns.

#include "core/float16.h"

#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <limits>

using ocrnet::Float16, ocrnet::toFloat, ocrnet::toFloat16;

namespace {

int wrong = 0;

void expect(bool condition, const char* what, unsigned bits) {
  if (condition) return;
  std::printf("0x%04x: %s\n", bits, what);
  ++wrong;
}

/// By IEEE 754's definition.
double valueOf(unsigned bits) {
  const int exponent = static_cast<int>(bits >> 10 & 0x1f), fraction = static_cast<int>(bits & 0x3ff);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

bool narrowsTo(double x, unsigned bits) { return toFloat16(static_cast<float>(x)).bits == bits; }

void number(unsigned bits) {
  expect(static_cast<double>(toFloat(Float16{static_cast<std::uint16_t>(bits)})) == valueOf(bits),
         "is widened to another number", bits);
  expect(narrowsTo(valueOf(bits), bits), "is not narrowed to itself", bits);
  // Up to the next number from zero, which has the next bits; behind the last one comes what would be 2¹⁶.
  const double next = (bits & 0x7fff) == 0x7bff ? std::copysign(65536, valueOf(bits)) : valueOf(bits + 1);
  const float middle = static_cast<float>((valueOf(bits) + next) / 2);
  expect(narrowsTo(middle, bits + (bits & 1)), "halfway to the next is not narrowed to the even one", bits);
  expect(narrowsTo(std::nextafter(middle, 0.0f), bits), "less than halfway is not narrowed to it", bits);
  expect(narrowsTo(std::nextafter(middle, 2 * middle), bits + 1), "more than halfway is narrowed to it",
         bits);
}

}  // namespace

int main() {
  for (unsigned sign : {0u, 0x8000u}) {
    for (unsigned bits = 0; bits < 0x7c00; ++bits) number(sign | bits);
    const float infinity = toFloat(Float16{static_cast<std::uint16_t>(sign | 0x7c00)});
    expect(std::isinf(infinity) && std::signbit(infinity) == (sign != 0), "is not infinite", sign | 0x7c00);
    expect(narrowsTo(infinity, sign | 0x7c00), "infinity is not narrowed to it", sign | 0x7c00);
    for (unsigned bits = 0x7c01; bits < 0x8000; ++bits) {
      const float wide = toFloat(Float16{static_cast<std::uint16_t>(sign | bits)});
      expect(std::isnan(wide), "is no NaN", sign | bits);
      expect(toFloat16(wide).bits == (sign | bits | 0x200), "is not the same NaN, made quiet", sign | bits);
    }
  }
  expect(std::isnan(toFloat(toFloat16(std::numeric_limits<float>::quiet_NaN()))), "NaN is narrowed", 0x7e00);
  std::printf("float16: %d mistakes\n", wrong);
  return wrong == 0 ? 0 : 1;
}

#pragma once

#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// eˣ for x ≤ 88, within 2e-7 of the exact value relatively; 0 where that would be less than the least normal
/// number, so also for −∞. NaN stays NaN.
///
/// eˣ = 2ⁿ · eʳ with n the integer nearest to x / ln 2. ln 2 is subtracted in two parts, the first of so few
/// bits that its product with n is exact; |r| ≤ ½ ln 2, where the Taylor polynomial of degree 7 is exact to
/// 1e-8.
inline Vec exp(Vec x) {
  constexpr float kShift = 12582912.0f;  // 1.5 · 2²³: added, it leaves the rounded integer in the lowest bits
  const Vec shifted = fma(x, broadcast(1.44269504088896341f), broadcast(kShift));
  const Vec n = sub(shifted, broadcast(kShift));
  const Vec r = fnma(n, broadcast(-2.12194440e-4f), fnma(n, broadcast(0.693359375f), x));
  Vec y = broadcast(1.0f / 5040);
  y = fma(y, r, broadcast(1.0f / 720));
  y = fma(y, r, broadcast(1.0f / 120));
  y = fma(y, r, broadcast(1.0f / 24));
  y = fma(y, r, broadcast(1.0f / 6));
  y = fma(y, r, broadcast(0.5f));
  y = fma(y, r, broadcast(1.0f));
  y = fma(y, r, broadcast(1.0f));
  const WordVec exponent = reinterpret_cast<WordVec>(shifted) + 127;
  y = mul(y, reinterpret_cast<Vec>(exponent << 23));
  return x < broadcast(-87.3f) ? zero() : y;
}

}  // namespace ocrnet::cpu::OCRNET_ISA

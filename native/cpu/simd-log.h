#pragma once

#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// ln x for finite normal x > 0, within 1e-7 of the exact value relatively, or absolutely where that is
/// below 1. NaN stays NaN.
///
/// x = 2ⁿ · m with m in [√½, √2); ln m by the minimax polynomial of Cephes' logf in m − 1; ln 2 in two parts,
/// the first of so few bits that its product with n is exact.
inline Vec log(Vec x) {
  constexpr std::int32_t kHalfRootBits = 0x3f3504f3;  // of √½
  const IntVec bits = reinterpret_cast<IntVec>(x);
  const IntVec exponent = (bits - kHalfRootBits) >> 23;
  const Vec n = __builtin_convertvector(exponent, Vec);
  const Vec f = sub(reinterpret_cast<Vec>(bits - (exponent << 23)), broadcast(1));
  const Vec square = mul(f, f);
  Vec y = broadcast(7.0376836292e-2f);
  y = fma(y, f, broadcast(-1.1514610310e-1f));
  y = fma(y, f, broadcast(1.1676998740e-1f));
  y = fma(y, f, broadcast(-1.2420140846e-1f));
  y = fma(y, f, broadcast(1.4249322787e-1f));
  y = fma(y, f, broadcast(-1.6668057665e-1f));
  y = fma(y, f, broadcast(2.0000714765e-1f));
  y = fma(y, f, broadcast(-2.4999993993e-1f));
  y = fma(y, f, broadcast(3.3333331174e-1f));
  y = fma(mul(y, f), square, mul(n, broadcast(-2.12194440e-4f)));
  y = add(f, fnma(broadcast(0.5f), square, y));
  y = fma(n, broadcast(0.693359375f), y);
  return x == x ? y : x;
}

}  // namespace ocrnet::cpu::OCRNET_ISA

#pragma once

#include <cstdint>
#include <cstring>

namespace ocrnet::cpu::OCRNET_ISA {

// GCC's and Clang's generic vectors: SSE2 on x86-64, NEON on arm64.
typedef float Vec __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 16;

inline Vec broadcast(float x) { return Vec{x, x, x, x}; }
inline Vec zero() { return broadcast(0); }
inline Vec load(const float* p) {
  Vec x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, Vec x) { std::memcpy(p, &x, sizeof x); }

/// The first count lanes, 0 < count < kLanes; the others are zero and their memory is not touched.
inline Vec loadFirst(const float* p, std::int64_t count) {
  Vec x = zero();
  for (std::int64_t i = 0; i < count; ++i) x[i] = p[i];
  return x;
}
inline void storeFirst(float* p, Vec x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) p[i] = x[i];
}

inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec sub(Vec a, Vec b) { return a - b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
/// a·b + c
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
/// c − a·b
inline Vec fnma(Vec a, Vec b, Vec c) { return c - a * b; }
/// A NaN in b is kept.
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec sqrt(Vec a) {
  for (int i = 0; i < kLanes; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}

}  // namespace ocrnet::cpu::OCRNET_ISA

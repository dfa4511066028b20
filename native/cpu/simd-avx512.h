#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ocrnet::cpu::OCRNET_ISA {

using Vec = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;

inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }

inline __mmask16 firstLanes(std::int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
/// The first count lanes, 0 < count < kLanes; the others are zero and their memory is not touched.
inline Vec loadFirst(const float* p, std::int64_t count) {
  return _mm512_maskz_loadu_ps(firstLanes(count), p);
}
inline void storeFirst(float* p, Vec x, std::int64_t count) {
  _mm512_mask_storeu_ps(p, firstLanes(count), x);
}

inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
/// a·b + c
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
/// c − a·b
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }
/// A NaN in b is kept. (The masked forms, because GCC 12 warns about its own header in the plain ones.)
inline Vec max(Vec a, Vec b) { return _mm512_maskz_max_ps(0xffff, a, b); }
inline Vec min(Vec a, Vec b) { return _mm512_maskz_min_ps(0xffff, a, b); }
inline Vec sqrt(Vec a) { return _mm512_maskz_sqrt_ps(0xffff, a); }

}  // namespace ocrnet::cpu::OCRNET_ISA

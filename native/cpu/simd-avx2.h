#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ocrnet::cpu::OCRNET_ISA {

using Vec = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;

inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }

inline __m256i firstLanes(std::int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
/// The first count lanes, 0 < count < kLanes; the others are zero and their memory is not touched.
inline Vec loadFirst(const float* p, std::int64_t count) { return _mm256_maskload_ps(p, firstLanes(count)); }
inline void storeFirst(float* p, Vec x, std::int64_t count) { _mm256_maskstore_ps(p, firstLanes(count), x); }

inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
/// a·b + c
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
/// c − a·b
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }
/// A NaN in b is kept.
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }

}  // namespace ocrnet::cpu::OCRNET_ISA

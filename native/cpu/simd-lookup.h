#pragma once

// One float for each lane from a table, by index.

#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

#if defined(__AVX512F__)

inline Vec lookUp(const float* table, IntVec index) {
  return _mm512_mask_i32gather_ps(zero(), 0xffff, reinterpret_cast<__m512i>(index), table, 4);
}
/// The same from kLanes floats that are in a register.
inline Vec lookUp(Vec table, IntVec index) {
  return _mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(index), table);
}

#elif defined(__AVX2__)

inline Vec lookUp(const float* table, IntVec index) {
  return _mm256_i32gather_ps(table, reinterpret_cast<__m256i>(index), 4);
}
/// The same from kLanes floats that are in a register.
inline Vec lookUp(Vec table, IntVec index) {
  return _mm256_permutevar8x32_ps(table, reinterpret_cast<__m256i>(index));
}

#else

inline Vec lookUp(const float* table, IntVec index) {
  Vec x;
  for (int i = 0; i < kLanes; ++i) x[i] = table[index[i]];
  return x;
}
/// The same from kLanes floats that are in a register.
inline Vec lookUp(Vec table, IntVec index) {
  float lanes[kLanes];
  store(lanes, table);
  return lookUp(lanes, index);
}

#endif

}  // namespace ocrnet::cpu::OCRNET_ISA

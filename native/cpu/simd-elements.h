#pragma once

// Loads and stores of each element type as floats, whole vectors and the first lanes alike, so that one body
// serves the middle and the end of a row. GCC's and Clang's generic vectors: the compiler picks the
// instructions.

#include <cstring>
#include <utility>

#include "core/bfloat16.h"
#include "cpu/simd.h"

namespace ocrnet::cpu::OCRNET_ISA {

typedef std::int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef std::uint32_t WordVec __attribute__((vector_size(kLanes * 4)));
typedef std::uint16_t HalfWordVec __attribute__((vector_size(kLanes * 2)));
typedef std::uint8_t ByteVec __attribute__((vector_size(kLanes)));

/// What to touch of a vector's memory: all of it, or the first lanes (0 < count < kLanes).
struct Whole {};
struct First {
  std::int64_t count;
};

template <class V, class T>
inline V loadRaw(const T* p, Whole) {
  V x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
template <class V, class T>
inline V loadRaw(const T* p, First lanes) {
  V x{};
  std::memcpy(&x, p, lanes.count * sizeof(T));
  return x;
}
template <class V, class T>
inline void storeRaw(T* p, V x, Whole) {
  std::memcpy(p, &x, sizeof x);
}
template <class V, class T>
inline void storeRaw(T* p, V x, First lanes) {
  std::memcpy(p, &x, lanes.count * sizeof(T));
}

inline Vec load(const float* p, Whole) { return load(p); }
inline Vec load(const float* p, First lanes) { return loadFirst(p, lanes.count); }
inline void store(float* p, Vec x, Whole) { store(p, x); }
inline void store(float* p, Vec x, First lanes) { storeFirst(p, x, lanes.count); }

template <class Lanes>
inline Vec load(const BFloat16* p, Lanes lanes) {
  return reinterpret_cast<Vec>(__builtin_convertvector(loadRaw<HalfWordVec>(p, lanes), WordVec) << 16);
}

/// As toBFloat16: to nearest even, a NaN made quiet.
template <class Lanes>
inline void store(BFloat16* p, Vec x, Lanes lanes) {
  const WordVec bits = reinterpret_cast<WordVec>(x);
  const WordVec rounded = bits + 0x7fff + ((bits >> 16) & 1);
  const WordVec result = (bits & 0x7fffffff) > 0x7f800000 ? (bits | 0x400000) : rounded;
  storeRaw(p, __builtin_convertvector(result >> 16, HalfWordVec), lanes);
}

template <class Lanes>
inline Vec load(const std::uint8_t* p, Lanes lanes) {
  return __builtin_convertvector(__builtin_convertvector(loadRaw<ByteVec>(p, lanes), IntVec), Vec);
}

/// body(offset, lanes) for each vector of a row of count elements, the last of them perhaps in part.
template <class Body>
inline void eachVector(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, Whole{});
  if (i < count) body(i, First{count - i});
}

/// 0, 1, 2, …
inline IntVec firstIndices() {
  IntVec indices{};
  for (int i = 0; i < kLanes; ++i) indices[i] = i;
  return indices;
}

template <int kDistance, int... kIndices>
inline Vec swapLanes(Vec x, std::integer_sequence<int, kIndices...>) {
  return __builtin_shufflevector(x, x, (kIndices ^ kDistance)...);
}

/// All lanes into one, which every lane then holds: combine(a, b), the same whichever comes first.
template <int kDistance = kLanes / 2, class Combine>
inline Vec reduceAll(Vec x, const Combine& combine) {
  const Vec combined = combine(x, swapLanes<kDistance>(x, std::make_integer_sequence<int, kLanes>{}));
  if constexpr (kDistance > 1) return reduceAll<kDistance / 2>(combined, combine);
  return combined;
}

/// All lanes into one: combine(a, b) of halves until one is left.
template <class Combine>
inline float reduce(Vec x, const Combine& combine) {
  float lanes[kLanes];
  store(lanes, x);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = combine(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

inline void fill(float* row, std::int64_t count, float value) {
  for (std::int64_t i = 0; i < count; ++i) row[i] = value;
}

}  // namespace ocrnet::cpu::OCRNET_ISA

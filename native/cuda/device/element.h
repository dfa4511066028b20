#pragma once

// Elements of activations, float32, bfloat16 or float16, and several of them at once; arithmetic is in
// float32.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "core/bfloat16.h"
#include "core/enums.gen.h"
#include "core/float16.h"

namespace ocrnet::cuda {

__device__ __forceinline__ float toFloat32(float x) { return x; }
__device__ __forceinline__ float toFloat32(BFloat16 x) {
  return __uint_as_float(static_cast<std::uint32_t>(x.bits) << 16);
}

__device__ __forceinline__ float toFloat32(Float16 x) {
#ifdef OCRNET_EMULATION
  return toFloat(x);
#else
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
  return wide;
#endif
}

/// To nearest, ties to even; a NaN stays one. Float16 has subnormal numbers, and infinities for what is too
/// large.
template <class T>
__device__ __forceinline__ T fromFloat32(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else if constexpr (std::is_same_v<T, Float16>) {
#ifdef OCRNET_EMULATION
    return toFloat16(x);
#else
    Float16 narrow;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(x));
    return narrow;
#endif
  } else {
    const std::uint32_t bits = __float_as_uint(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return {static_cast<std::uint16_t>(bits >> 16 | 0x40)};
    return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
  }
}

/// Elements that are read and written in one piece.
template <class T, int count>
struct alignas(sizeof(T) * count) Pack {
  T elements[count];
};

/// Elements of T in 16 bytes, the most that one instruction moves.
template <class T>
inline constexpr int kPackElements = 16 / sizeof(T);

template <int count, class T>
__device__ __forceinline__ void loadPack(const T* from, float (&x)[count]) {
  const auto pack = *reinterpret_cast<const Pack<T, count>*>(from);
#pragma unroll
  for (int i = 0; i < count; ++i) x[i] = toFloat32(pack.elements[i]);
}

template <int count, class T>
__device__ __forceinline__ void storePack(T* to, const float (&x)[count]) {
  Pack<T, count> pack;
#pragma unroll
  for (int i = 0; i < count; ++i) pack.elements[i] = fromFloat32<T>(x[i]);
  *reinterpret_cast<Pack<T, count>*>(to) = pack;
}

/// body(T{}) with the element type of activations. On the host.
template <class Body>
void withFloatType(DataType type, const Body& body) {
  if (type == DataType::bfloat16) return body(BFloat16{});
  if (type == DataType::float16) return body(Float16{});
  body(float{});
}

}  // namespace ocrnet::cuda

#pragma once

// Matrix products on tensor cores, by warps, and how their operands come out of shared memory.
//
// With g = lane / 4 and t = lane % 4, a lane's registers hold of A (16 rows): rows g (registers 0, 2) and g +
// 8 (1, 3); of B (8 columns): column g; of C: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). A register
// of 16-bit numbers is two neighbours in depth, 2t and 2t + 1 (A's 2 and 3 and B's 1: 8 further); one of tf32
// is one, t (4 further).

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "core/tf32.h"
#include "cuda/device/architecture.h"
#include "cuda/device/element.h"

#ifdef OCRNET_EMULATION
#include "emulation/matrix.h"
#endif

namespace ocrnet::cuda {

/// Four matrices of 8 rows of 16 bytes in shared memory: lane i gives the address of row i % 8 of matrix i /
/// 8, and gets of each matrix the four bytes t of row g.
__device__ __forceinline__ void loadMatrices(std::uint32_t (&registers)[4], const void* row) {
#ifdef OCRNET_EMULATION
  emulation::loadMatrices(registers, row, false);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address)
               : "memory");
#endif
}

/// The same of the matrices of 8 × 8 numbers of 16 bits transposed.
__device__ __forceinline__ void loadTransposedMatrices(std::uint32_t (&registers)[4], const void* row) {
#ifdef OCRNET_EMULATION
  emulation::loadMatrices(registers, row, true);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address)
               : "memory");
#endif
}

/// C (16 × 8) += A (16 × 16) · B (16 × 8), of BFloat16 or Float16. Not of BFloat16 before compute capability
/// 8.0, where no plan asks for it.
template <class T>
__device__ __forceinline__ void multiplyAdd(float (&c)[4], const std::uint32_t (&a)[4],
                                            const std::uint32_t (&b)[2]) {
#ifdef OCRNET_EMULATION
  emulation::multiplyAdd<T>(c, a, b);
#elif OCRNET_BEFORE_AMPERE
  if constexpr (std::is_same_v<T, BFloat16>) {
    stop();
  } else {  // each half of the depth by itself
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      asm volatile(
          "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
          "{%0, %1, %2, %3};"
          : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
          : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
    }
  }
#else
  if constexpr (std::is_same_v<T, BFloat16>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#endif
}

/// C (16 × 8) += A (16 × 8) · B (8 × 8), of tf32. What was not rounded is cut off. As of BFloat16.
__device__ __forceinline__ void multiplyAddTf32(float (&c)[4], const std::uint32_t (&a)[4],
                                                const std::uint32_t (&b)[2]) {
#ifdef OCRNET_EMULATION
  emulation::multiplyAddTf32(c, a, b);
#elif OCRNET_BEFORE_AMPERE
  stop();
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// To the nearest number of tf32, in one instruction.
__device__ __forceinline__ std::uint32_t roundToTf32(std::uint32_t bits) {
#if defined(OCRNET_EMULATION) || OCRNET_BEFORE_AMPERE
  return roundedToTf32(bits);
#else
  std::uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
  return rounded;
#endif
}

/// Two neighbours in depth, rounded to the nearest BFloat16 or Float16.
template <class T>
__device__ __forceinline__ std::uint32_t packPair(float low, float high) {
#if defined(OCRNET_EMULATION) || OCRNET_BEFORE_AMPERE
  return fromFloat32<T>(low).bits | std::uint32_t{fromFloat32<T>(high).bits} << 16;
#else
  std::uint32_t packed;
  if constexpr (std::is_same_v<T, BFloat16>) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  }
  return packed;
#endif
}

}  // namespace ocrnet::cuda

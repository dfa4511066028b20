#pragma once

// Products of small matrices that the lanes of a warp hold in fragments (mma.sync), and how fragments are
// fetched from shared memory (ldmatrix). Lane 4 g + t of an m × n matrix of sums (16 × 8) holds row g,
// columns 2 t and 2 t + 1, then the same of row g + 8.

#include <cuda_runtime.h>

#include <cstdint>

#include "core/bfloat16.h"

namespace ocrnet::cuda {

#ifdef OCRNET_EMULATION

namespace emulated {

/// Each lane gets of each of four 8 × 8 matrices of 16-bit elements the pair at row g, columns 2 t and 2 t +
/// 1, or transposed. Lane 8 j + r gives the address of row r of matrix j.
inline void loadMatrices(std::uint32_t (&fragments)[4], const void* row, bool transposed) {
  struct Operand {
    const std::uint16_t* row;
    std::uint32_t* fragments;
  } operand{static_cast<const std::uint16_t*>(row), fragments};
  emulation::Block& block = emulation::Block::current();
  block.requireShared(row, 16, 16, "ldmatrix");
  block.warp(0xffffffff, &operand, "ldmatrix", [transposed](void** operands) {
    const auto of = [&](int lane) { return static_cast<Operand*>(operands[lane]); };
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int j = 0; j < 4; ++j) {
        const auto at = [&](int r, int c) { return std::uint32_t{of(8 * j + r)->row[c]}; };
        const std::uint32_t low = transposed ? at(2 * t, g) : at(g, 2 * t);
        const std::uint32_t high = transposed ? at(2 * t + 1, g) : at(g, 2 * t + 1);
        of(lane)->fragments[j] = low | high << 16;
      }
    }
  });
}

inline void multiplyAdd(float (&sums)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  struct Operand {
    float* sums;
    const std::uint32_t *a, *b;
  } operand{sums, a, b};
  emulation::Block::current().warp(0xffffffff, &operand, "mma.sync", [](void** operands) {
    const auto element = [](const std::uint32_t* fragments, int fragment, int half) {
      return toFloat(BFloat16{static_cast<std::uint16_t>(fragments[fragment] >> 16 * half)});
    };
    const auto of = [&](int lane) { return static_cast<Operand*>(operands[lane]); };
    float left[16][16], right[16][8];  // (m, k), (k, n)
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int half = 0; half < 2; ++half) {
        for (int i = 0; i < 4; ++i) {
          left[g + i % 2 * 8][2 * t + half + i / 2 * 8] = element(of(lane)->a, i, half);
        }
        for (int i = 0; i < 2; ++i) right[2 * t + half + i * 8][g] = element(of(lane)->b, i, half);
      }
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) {
        float sum = 0;
        for (int k = 0; k < 16; ++k) sum += left[g + i / 2 * 8][k] * right[k][2 * t + i % 2];
        of(lane)->sums[i] += sum;
      }
    }
  });
}

}  // namespace emulated

#endif

/// Four 8 × 8 matrices of bfloat16 from shared memory: lane 8 j + r gives the address, a multiple of 16, of
/// row r of matrix j; lane 4 g + t gets columns 2 t and 2 t + 1 of row g of each.
__device__ __forceinline__ void loadMatrices(std::uint32_t (&fragments)[4], const BFloat16* row) {
#ifdef OCRNET_EMULATION
  emulated::loadMatrices(fragments, row, false);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(address)
               : "memory");
#endif
}

/// The same of the matrices' transposes: lane 4 g + t gets rows 2 t and 2 t + 1 of column g of each.
__device__ __forceinline__ void loadTransposedMatrices(std::uint32_t (&fragments)[4], const BFloat16* row) {
#ifdef OCRNET_EMULATION
  emulated::loadMatrices(fragments, row, true);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(address)
               : "memory");
#endif
}

/// sums (16 × 8) += a (16 × 16) · b (16 × 8) in bfloat16. a: rows g and g + 8 at columns 2 t and 2 t + 1,
/// then both at columns 2 t + 8 and 2 t + 9. b: column g at rows 2 t and 2 t + 1, then 2 t + 8 and 2 t + 9.
__device__ __forceinline__ void multiplyAdd(float (&sums)[4], const std::uint32_t (&a)[4],
                                            const std::uint32_t (&b)[2]) {
#ifdef OCRNET_EMULATION
  emulated::multiplyAdd(sums, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

}  // namespace ocrnet::cuda

#pragma once

// Products of matrices by four warps together (wgmma), on GPUs of compute capability 9.0: both operands lie
// in shared memory as copies leave them there (tensor-copy.h), the sums are in the threads' registers.
// Products run on their own until they are awaited; until then nobody may touch their sums and operands. All
// threads of the warpgroup do the same.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "core/bfloat16.h"
#include "core/float16.h"

#ifdef OCRNET_EMULATION
#include "emulation/warpgroup.h"
#endif

namespace ocrnet::cuda {

inline constexpr int kWarpgroupThreads = 128;
/// Of the products' A, and how deep they are.
inline constexpr int kWarpgroupRows = 64, kWarpgroupDepthBytes = 32;

/// Rows of 128 bytes, from the first byte on; how instructions name them. Where rows are of depth, those of
/// the next 64 results are `further` bytes away; elsewhere it means nothing.
__device__ __forceinline__ std::uint64_t swizzledOperand(const void* rows, int further = 16) {
  constexpr std::uint64_t kSwizzle128 = std::uint64_t{1} << 62, kEightRows = std::uint64_t{1024 >> 4} << 32;
#ifdef OCRNET_EMULATION
  const unsigned address = emulation::sharedAddress(rows);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(rows));
#endif
  const auto leading = static_cast<std::uint64_t>(further >> 4) << 16;
  return kSwizzle128 | kEightRows | leading | (address & 0x3ffff) >> 4;
}

/// The operand so many bytes further on: within rows, or whole eights of rows.
__device__ __forceinline__ std::uint64_t operandAt(std::uint64_t operand, int bytes) {
  return operand + static_cast<std::uint64_t>(bytes >> 4);
}

/// In front of the first products that use registers which were written otherwise.
__device__ __forceinline__ void fenceProducts() {
#ifdef OCRNET_EMULATION
  emulation::fenceProducts();
#else
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

/// Ends a group of products.
__device__ __forceinline__ void commitProducts() {
#ifdef OCRNET_EMULATION
  emulation::commitProducts();
#else
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/// Until at most `groups` of the last groups are not done.
template <int groups>
__device__ __forceinline__ void awaitProducts() {
#ifdef OCRNET_EMULATION
  emulation::awaitProducts(groups);
#else
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(groups) : "memory");
#endif
}

/// The warpgroup's threads meet, and see what each has written to shared memory. `warpgroup` is its number in
/// the block.
__device__ __forceinline__ void synchroniseWarpgroup(int warpgroup) {
#ifdef OCRNET_EMULATION
  static_cast<void>(warpgroup);
  emulation::synchroniseWarpgroup();
#else
  asm volatile("bar.sync %0, %1;" ::"r"(1 + warpgroup), "n"(kWarpgroupThreads) : "memory");
#endif
}

/// More registers for the warpgroup's threads than the launch gave them, which others have yielded.
template <int registers>
__device__ __forceinline__ void claimRegisters() {
#ifdef OCRNET_EMULATION
  emulation::setRegisters(registers);
#else
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}
template <int registers>
__device__ __forceinline__ void yieldRegisters() {
#ifdef OCRNET_EMULATION
  emulation::setRegisters(registers);
#else
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}

// What the instruction's text and its operands name.
#define OCRNET_SUMS_0_15 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define OCRNET_SUMS_16_31 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define OCRNET_SUMS_32_47 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define OCRNET_SUMS_48_63 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define OCRNET_SUMS_64 OCRNET_SUMS_0_15 ", " OCRNET_SUMS_16_31
#define OCRNET_SUMS_96 OCRNET_SUMS_64 ", " OCRNET_SUMS_32_47
#define OCRNET_SUMS_128 OCRNET_SUMS_96 ", " OCRNET_SUMS_48_63
#define OCRNET_OPERANDS_8(i)                                                                 \
  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]), \
      "+f"(sums[i + 5]), "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define OCRNET_OPERANDS_16(i) OCRNET_OPERANDS_8(i), OCRNET_OPERANDS_8(i + 8)
#define OCRNET_OPERANDS_64 OCRNET_OPERANDS_16(0), OCRNET_OPERANDS_16(16)
#define OCRNET_OPERANDS_96 OCRNET_OPERANDS_64, OCRNET_OPERANDS_16(32)
#define OCRNET_OPERANDS_128 OCRNET_OPERANDS_96, OCRNET_OPERANDS_16(48)
// `types` are those of sums and operands, `rest` is what follows; a_, b_ and adds_ are the operands' numbers.
#define OCRNET_MULTIPLY_ADD(columns, types, rest, a_, b_, adds_)                                       \
  asm volatile(                                                                                        \
      "{\n"                                                                                            \
      ".reg .pred add;\n"                                                                              \
      "setp.ne.b32 add, " adds_                                                                        \
      ", 0;\n"                                                                                         \
      "wgmma.mma_async.sync.aligned.m64n" #columns types " {" OCRNET_SUMS_##columns "}, " a_ ", " b_   \
                                                                                    ", add, 1, 1" rest \
                                                                                    ";\n"              \
                                                                                    "}"                \
      : OCRNET_OPERANDS_##columns                                                                      \
      : "l"(a), "l"(b), "r"(static_cast<int>(adds)))
#define OCRNET_MULTIPLY_ADD_OF(types, rest)                     \
  if constexpr (columns == 64) {                                \
    OCRNET_MULTIPLY_ADD(64, types, rest, "%32", "%33", "%34");  \
  } else if constexpr (columns == 96) {                         \
    OCRNET_MULTIPLY_ADD(96, types, rest, "%48", "%49", "%50");  \
  } else {                                                      \
    OCRNET_MULTIPLY_ADD(128, types, rest, "%64", "%65", "%66"); \
  }

/// How the rows of an operand lie: one for each row of A or of Bᵀ, in which neighbours are neighbours in
/// depth; or one for each element of depth, in which they are neighbouring rows of A or Bᵀ.
enum class OperandRows { ofResults, ofDepth };

/// C (64 × columns) = A (64 × 32 bytes) · Bᵀ (columns × 32 bytes) + (adds ? C : 0), of BFloat16 or Float16,
/// or of float, which is rounded or cut to tf32. Thread t's sums[4i + 2h + e] is that of row 16 ⌊t / 32⌋ + ⌊t
/// % 32 / 4⌋ + 8h and of column 8i + 2 (t % 4) + e.
template <class T, int columns, OperandRows rows = OperandRows::ofResults>
__device__ __forceinline__ void multiplyAddTogether(float (&sums)[columns / 2], std::uint64_t a,
                                                    std::uint64_t b, bool adds) {
  static_assert(columns == 64 || columns == 96 || columns == 128);
  static_assert(rows == OperandRows::ofResults || sizeof(T) == 2, "the instructions have no other");
#ifdef OCRNET_EMULATION
  emulation::multiplyAddTogether<T>(sums, columns, rows == OperandRows::ofDepth, a, b, adds);
#else
  if constexpr (std::is_same_v<T, float>) {
    OCRNET_MULTIPLY_ADD_OF("k8.f32.tf32.tf32", "")
  } else if constexpr (std::is_same_v<T, BFloat16> && rows == OperandRows::ofResults) {
    OCRNET_MULTIPLY_ADD_OF("k16.f32.bf16.bf16", ", 0, 0")
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    OCRNET_MULTIPLY_ADD_OF("k16.f32.bf16.bf16", ", 1, 1")
  } else if constexpr (rows == OperandRows::ofResults) {
    OCRNET_MULTIPLY_ADD_OF("k16.f32.f16.f16", ", 0, 0")
  } else {
    OCRNET_MULTIPLY_ADD_OF("k16.f32.f16.f16", ", 1, 1")
  }
#endif
}

}  // namespace ocrnet::cuda

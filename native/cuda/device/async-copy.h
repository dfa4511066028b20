#pragma once

// Copies from global into shared memory that a thread starts and awaits later, in groups (cp.async). GPUs of
// compute capability 7.5 have no such copies: theirs are done when they are started.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/device/architecture.h"

namespace ocrnet::cuda {

/// `size` bytes (4, 8 or 16) of which the first `given` are read and the others are zeros. `from` must be
/// aligned to `size`, and valid even where nothing is given.
template <int size>
__device__ __forceinline__ void copyAsync(void* to, const void* from, int given) {
#ifdef OCRNET_EMULATION
  emulation::Block::current().copyAsynchronously(to, from, size, given);
#elif OCRNET_BEFORE_AMPERE
  struct alignas(size) Unit {
    std::uint16_t halves[size / 2];
  } unit{};
  if (given == size) {
    unit = *static_cast<const Unit*>(from);
  } else {
#pragma unroll
    for (int i = 0; i < size / 2; ++i) {
      if (2 * i < given) unit.halves[i] = static_cast<const std::uint16_t*>(from)[i];
    }
  }
  *static_cast<Unit*>(to) = unit;
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  if constexpr (size == 16) {  // not by way of the first-level cache
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(given)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from), "n"(size),
                 "r"(given)
                 : "memory");
  }
#endif
}

/// 16 bytes, or zeros where `there` is false; `from` must be a valid address all the same.
__device__ __forceinline__ void copyAsync16(void* to, const void* from, bool there) {
  copyAsync<16>(to, from, there ? 16 : 0);
}

/// 4 bytes, the same.
__device__ __forceinline__ void copyAsync4(void* to, const void* from, bool there) {
  copyAsync<4>(to, from, there ? 4 : 0);
}

/// Ends a group.
__device__ __forceinline__ void commitCopies() {
#ifdef OCRNET_EMULATION
  emulation::Block::current().commitCopies();
#elif !OCRNET_BEFORE_AMPERE
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Until at most `groups` of the last groups are on their way; the others are visible to this thread.
template <int groups>
__device__ __forceinline__ void awaitCopies() {
#ifdef OCRNET_EMULATION
  emulation::Block::current().awaitCopies(groups);
#elif !OCRNET_BEFORE_AMPERE
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
#endif
}

}  // namespace ocrnet::cuda

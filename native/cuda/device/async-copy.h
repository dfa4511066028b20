#pragma once

// Copies from global into shared memory that a thread starts and awaits later, in groups (cp.async).

#include <cuda_runtime.h>

namespace ocrnet::cuda {

/// 16 bytes, or zeros where `there` is false; `from` must be a valid address all the same.
__device__ __forceinline__ void copyAsync16(void* to, const void* from, bool there) {
#ifdef OCRNET_EMULATION
  emulation::Block::current().copyAsynchronously(to, there ? from : nullptr, 16);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = there ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes)
               : "memory");
#endif
}

/// 4 bytes, the same.
__device__ __forceinline__ void copyAsync4(void* to, const void* from, bool there) {
#ifdef OCRNET_EMULATION
  emulation::Block::current().copyAsynchronously(to, there ? from : nullptr, 4);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = there ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(from), "r"(bytes)
               : "memory");
#endif
}

/// Ends a group.
__device__ __forceinline__ void commitCopies() {
#ifdef OCRNET_EMULATION
  emulation::Block::current().commitCopies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Until at most `groups` of the last groups are on their way; the others are visible to this thread.
template <int groups>
__device__ __forceinline__ void awaitCopies() {
#ifdef OCRNET_EMULATION
  emulation::Block::current().awaitCopies(groups);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
#endif
}

}  // namespace ocrnet::cuda

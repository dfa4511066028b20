#pragma once

// Barriers in shared memory that count threads and bytes (mbarrier), on GPUs of compute capability 9.0: a
// phase ends when so many threads have arrived and all bytes that they announced have been copied; the next
// phase then begins with the same number of threads.

#include <cuda_runtime.h>

#include <cstdint>

#ifdef OCRNET_EMULATION
#include "emulation/transaction-barrier.h"
#endif

namespace ocrnet::cuda {

struct TransactionBarrier {
  std::uint64_t state;
};

#ifndef OCRNET_EMULATION
/// As instructions address it.
__device__ __forceinline__ unsigned addressOf(const TransactionBarrier& barrier) {
  return static_cast<unsigned>(__cvta_generic_to_shared(&barrier));
}
#endif

/// By one thread, in front of `publishBarriers`.
__device__ __forceinline__ void initialise(TransactionBarrier& barrier, unsigned threads) {
#ifdef OCRNET_EMULATION
  emulation::initialiseBarrier(&barrier.state, threads);
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(addressOf(barrier)), "r"(threads) : "memory");
#endif
}

/// By the thread that initialised barriers: copies see them from then on, and so do all threads after a
/// __syncthreads.
__device__ __forceinline__ void publishBarriers() {
#ifdef OCRNET_EMULATION
  emulation::publishBarriers();
#else
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

__device__ __forceinline__ void arrive(TransactionBarrier& barrier) {
#ifdef OCRNET_EMULATION
  emulation::arrive(&barrier.state, 0);
#else
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(addressOf(barrier)) : "memory");
#endif
}

/// Arrives, and announces bytes that will be copied before the phase ends.
__device__ __forceinline__ void arriveExpecting(TransactionBarrier& barrier, unsigned bytes) {
#ifdef OCRNET_EMULATION
  emulation::arrive(&barrier.state, bytes);
#else
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(addressOf(barrier)), "r"(bytes)
               : "memory");
#endif
}

#ifndef OCRNET_EMULATION
/// Waits for a while; whether the phase of this parity has ended.
__device__ __forceinline__ bool hasEnded(TransactionBarrier& barrier, unsigned parity) {
  int ended;
  asm volatile(
      "{\n"
      ".reg .pred ended;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n"
      "selp.s32 %0, 1, 0, ended;\n"
      "}"
      : "=r"(ended)
      : "r"(addressOf(barrier)), "r"(parity)
      : "memory");
  return ended != 0;
}
#endif

/// Until the phase of this parity has ended: of a new barrier, its first has parity 0, and that before it,
/// of parity 1, counts as ended. Stops the kernel after some seconds, for a wait that never ends would take
/// the GPU with it.
__device__ __forceinline__ void awaitPhase(TransactionBarrier& barrier, unsigned parity) {
#ifdef OCRNET_EMULATION
  emulation::awaitPhase(&barrier.state, parity);
#else
  if (hasEnded(barrier, parity)) return;
  constexpr long long kMostCycles = 1LL << 34;
  const long long begun = clock64();
  while (!hasEnded(barrier, parity)) {
    if (clock64() - begun > kMostCycles) __trap();
  }
#endif
}

}  // namespace ocrnet::cuda

#pragma once

// Blocks that run together on neighbouring multiprocessors of GPUs of compute capability 9.0, and reach into
// each other's shared memory. A block must not end while another may still do so.

#include <cuda_runtime.h>

#include "cuda/device/transaction-barrier.h"

#ifdef OCRNET_EMULATION
#include "emulation/cluster.h"
#endif

namespace ocrnet::cuda {

/// __syncthreads of all the cluster's threads that have not ended.
__device__ __forceinline__ void synchroniseCluster() {
#ifdef OCRNET_EMULATION
  emulation::synchroniseCluster();
#else
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

/// At the barrier of another block of the cluster that lies where `barrier` does in this one.
__device__ __forceinline__ void arriveAt(TransactionBarrier& barrier, int block) {
#ifdef OCRNET_EMULATION
  emulation::arriveAt(&barrier.state, static_cast<unsigned>(block));
#else
  asm volatile(
      "{\n"
      ".reg .b32 other;\n"
      "mapa.shared::cluster.u32 other, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [other];\n"
      "}" ::"r"(addressOf(barrier)),
      "r"(block)
      : "memory");
#endif
}

}  // namespace ocrnet::cuda

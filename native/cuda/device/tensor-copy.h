#pragma once

// Copies of boxes of tensors into shared memory (TMA), on GPUs of compute capability 9.0. One thread starts
// one; a barrier counts its bytes. What lies outside of the tensor is zero, and counts all the same. The host
// describes tensor and box (cuda/tensor-map.h).
//
// Rows of a box are of 128 bytes and lie one behind the other, each eight of them in 1024 bytes that are
// aligned to as many; chunk c of 16 bytes of row r is at place c ^ (r mod 8), where warpgroup.h reads it.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/device/transaction-barrier.h"
#include "cuda/tensor-map.h"

#ifdef OCRNET_EMULATION
#include "emulation/tensor-copy.h"
#endif

namespace ocrnet::cuda {

/// Rows of a matrix from `row` on, of each 128 bytes from element `column` on.
__device__ __forceinline__ void copyRows(void* to, const TensorMap& map, TransactionBarrier& barrier,
                                         int column, int row) {
#ifdef OCRNET_EMULATION
  emulation::copyRows(to, &map, &barrier.state, column, row);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4}], "
      "[%2];" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
      "l"(&map), "r"(addressOf(barrier)), "r"(column), "r"(row)
      : "memory");
#endif
}

/// Pixels of images, from that at (x, y) on in the order of rows and images: those of the map's bounding box,
/// in its steps, each moved by (right, down) before it is read. Of each 128 bytes, from `channel` on.
__device__ __forceinline__ void copyPixels(void* to, const TensorMap& map, TransactionBarrier& barrier,
                                           int channel, int x, int y, int image, int right, int down) {
#ifdef OCRNET_EMULATION
  emulation::copyPixels(to, &map, &barrier.state, {channel, x, y, image}, right, down);
#else
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%3, %4, %5, %6}], [%2], {%7, %8};" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
      "l"(&map), "r"(addressOf(barrier)), "r"(channel), "r"(x), "r"(y), "r"(image),
      "h"(static_cast<std::uint16_t>(right)), "h"(static_cast<std::uint16_t>(down))
      : "memory");
#endif
}

}  // namespace ocrnet::cuda

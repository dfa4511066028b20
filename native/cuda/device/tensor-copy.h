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
#include "emulation/cluster.h"
#include "emulation/tensor-copy.h"
#endif

namespace ocrnet::cuda {

/// Lets the GPU read a description while there is nothing to copy yet.
__device__ __forceinline__ void prefetch(const TensorMap& map) {
#ifdef OCRNET_EMULATION
  static_cast<void>(map);
#else
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#endif
}

/// For copies into this block alone.
inline constexpr unsigned kOwnBlock = 0;

/// Rows of a matrix from `row` on, of each 128 bytes from element `column` on. To the same place of all
/// blocks of the cluster whose bits are set in `blocks`, each with its own barrier.
template <unsigned blocks = kOwnBlock>
__device__ __forceinline__ void copyRows(void* to, const TensorMap& map, TransactionBarrier& barrier,
                                         int column, int row) {
#ifdef OCRNET_EMULATION
  emulation::copyRows(to, &map, &barrier.state, column, row,
                      blocks == kOwnBlock ? 1u << emulation::blockOfCluster() : blocks);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  if constexpr (blocks == kOwnBlock) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4}], [%2];" ::"r"(address),
        "l"(&map), "r"(addressOf(barrier)), "r"(column), "r"(row)
        : "memory");
  } else {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(address),
        "l"(&map), "r"(addressOf(barrier)), "r"(column), "r"(row), "h"(static_cast<std::uint16_t>(blocks))
        : "memory");
  }
#endif
}

/// A pixel of a tensor of images, and from which of its channels on.
struct CopiedPixel {
  int channel, x, y, image;
};

/// Pixels of images, from `first` on in the order of rows and images: those of the map's bounding box, in its
/// steps, each moved by (right, down) before it is read. Of each 128 bytes. As above.
template <unsigned blocks = kOwnBlock>
__device__ __forceinline__ void copyPixels(void* to, const TensorMap& map, TransactionBarrier& barrier,
                                           const CopiedPixel& first, int right, int down) {
#ifdef OCRNET_EMULATION
  emulation::copyPixels(to, &map, &barrier.state, {first.channel, first.x, first.y, first.image}, right, down,
                        blocks == kOwnBlock ? 1u << emulation::blockOfCluster() : blocks);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const auto offsetX = static_cast<std::uint16_t>(right), offsetY = static_cast<std::uint16_t>(down);
  if constexpr (blocks == kOwnBlock) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};" ::"r"(address),
        "l"(&map), "r"(addressOf(barrier)), "r"(first.channel), "r"(first.x), "r"(first.y), "r"(first.image),
        "h"(offsetX), "h"(offsetY)
        : "memory");
  } else {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8}, %9;" ::"r"(address),
        "l"(&map), "r"(addressOf(barrier)), "r"(first.channel), "r"(first.x), "r"(first.y), "r"(first.image),
        "h"(offsetX), "h"(offsetY), "h"(static_cast<std::uint16_t>(blocks))
        : "memory");
  }
#endif
}

}  // namespace ocrnet::cuda

#pragma once

// Passes over pixels with numbers that belong to channels (means, factors, sums): a block of threads has
// neighbouring channels of a range of pixels, and each of its threads one pack of channels of every kRows-th
// pixel, so that what belongs to the channels stays in its registers.

#include <algorithm>

#include "core/integers.h"
#include "core/moments.h"
#include "cuda/device/element.h"
#include "cuda/device/reduce.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

/// Threads of a block: kRows of kLanes. The lanes of a row read 128 bytes where packs have 16.
template <int count>
struct ChannelTile {
  static constexpr int kThreads = 256, kLanes = count == 1 ? 32 : 8, kRows = kThreads / kLanes;
  static constexpr int kWarps = kThreads / kWarpLanes;

  __device__ static int row() { return static_cast<int>(threadIdx.x) / kLanes; }
  /// The first channel of the thread's pack; the thread has none where it is not below `channels`.
  __device__ static std::int64_t channel() {
    return (static_cast<std::int64_t>(blockIdx.y) * kLanes + threadIdx.x % kLanes) * count;
  }
};

/// Pixels in ranges of a fixed size, which depend on nothing but the tensor: sums over each, joined in their
/// order, are the same on every GPU.
struct PixelRanges {
  std::int64_t pixels, channels, rangePixels;

  std::int64_t count() const { return divideUp(pixels, rangePixels); }
  /// Where sums of a tensor are taken: enough blocks for any GPU, few enough to be joined quickly; ranges are
  /// whole ones of those whose moments convolutions find.
  static PixelRanges forSums(const TensorInfo& x) {
    constexpr std::int64_t kManyBlocks = 1024, kMostRanges = 512, kLeastPixels = 256, kTileChannels = 64;
    const std::int64_t tiles = divideUp(x.channels(), kTileChannels);
    const std::int64_t ranges = std::clamp(kManyBlocks / tiles, std::int64_t{1}, kMostRanges);
    static_assert(kLeastPixels % kMomentPixels == 0);
    const std::int64_t rangePixels = roundUp(divideUp(x.pixels(), ranges), kMomentPixels);
    return {x.pixels(), x.channels(), std::max(kLeastPixels, rangePixels)};
  }
  /// A few pixels for each thread.
  template <int count>
  PixelRanges forMap() const {
    constexpr std::int64_t kThreadPixels = 4;
    return {pixels, channels, kThreadPixels * ChannelTile<count>::kRows};
  }

  /// A block for each range and tile of channels.
  template <int count>
  LaunchShape shape(std::size_t sharedBytes = 0) const {
    using Tile = ChannelTile<count>;
    return {dim3(static_cast<unsigned>(this->count()),
                 static_cast<unsigned>(divideUp(channels, std::int64_t{Tile::kLanes * count}))),
            Tile::kThreads, sharedBytes};
  }
  /// body(pixel) for the thread's pixels of the block's range.
  template <int count, class Body>
  __device__ __forceinline__ void each(const Body& body) const {
    using Tile = ChannelTile<count>;
    const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * rangePixels;
    const std::int64_t end = first + rangePixels < pixels ? first + rangePixels : pixels;
#pragma unroll 4
    for (std::int64_t pixel = first + Tile::row(); pixel < end; pixel += Tile::kRows) body(pixel);
  }
};

template <int count>
struct RowSumMemory {
  float ofWarps[ChannelTile<count>::kWarps][ChannelTile<count>::kLanes][count];
};

/// Replaces what each thread has for its channels by the sums over the block's rows. All threads must come;
/// the memory may be used again at once.
template <int count>
__device__ __forceinline__ void sumRows(float (&x)[count], RowSumMemory<count>& memory) {
  using Tile = ChannelTile<count>;
  const int lane = static_cast<int>(threadIdx.x) % Tile::kLanes;
#pragma unroll
  for (int distance = Tile::kLanes; distance < kWarpLanes; distance *= 2) {
#pragma unroll
    for (int i = 0; i < count; ++i) x[i] += __shfl_xor_sync(kAllLanes, x[i], distance);
  }
  if (threadIdx.x % kWarpLanes < Tile::kLanes) {
#pragma unroll
    for (int i = 0; i < count; ++i) memory.ofWarps[threadIdx.x / kWarpLanes][lane][i] = x[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < count; ++i) x[i] = 0;
#pragma unroll
  for (int warp = 0; warp < Tile::kWarps; ++warp) {
#pragma unroll
    for (int i = 0; i < count; ++i) x[i] += memory.ofWarps[warp][lane][i];
  }
  __syncthreads();
}

/// The threads that join the sums of all ranges: 32 neighbouring channels, each in 16 parts.
inline constexpr int kJoinParts = 16, kJoinThreads = kJoinParts * kWarpLanes;

struct JoinMemory {
  double parts[kJoinParts][kWarpLanes];
};

inline LaunchShape joinShape(std::int64_t channels) {
  return {dim3(static_cast<unsigned>(divideUp(channels, std::int64_t{kWarpLanes}))), kJoinThreads,
          sizeof(JoinMemory)};
}

/// On every thread of the channel, the sum of term(range) over all ranges. All threads must come, those
/// without a channel too: their terms are not asked for.
template <class Term>
__device__ __forceinline__ double joinRanges(std::int64_t ranges, bool inside, JoinMemory& memory,
                                             const Term& term) {
  const unsigned lane = threadIdx.x % kWarpLanes, part = threadIdx.x / kWarpLanes;
  double sum = 0;
  if (inside) {
    for (std::int64_t range = part; range < ranges; range += kJoinParts) sum += term(range);
  }
  memory.parts[part][lane] = sum;
  __syncthreads();
  sum = 0;
#pragma unroll
  for (int i = 0; i < kJoinParts; ++i) sum += memory.parts[i][lane];
  __syncthreads();
  return sum;
}

/// Neighbouring floats of a vector over the channels.
template <int count>
__device__ __forceinline__ void loadChannels(const float* vector, std::int64_t channel, float (&x)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i) x[i] = vector[channel + i];
}
template <int count>
__device__ __forceinline__ void storeChannels(float* vector, std::int64_t channel, const float (&x)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i) vector[channel + i] = x[i];
}

}  // namespace ocrnet::cuda

#pragma once

// The moments of a warpgroup's 64 rows of results, for conv2dMoments. Of each channel a thread has two rows,
// a warp sixteen: their mean and then the squared distances from it. By way of shared memory those of four
// warps are joined, always in the same order (Chan, Golub and LeVeque 1979).

#include <cuda_runtime.h>

#include <cstddef>

#include "core/moments.h"
#include "cuda/conv/finish.h"
#include "cuda/device/reduce.h"
#include "cuda/device/warpgroup.h"

namespace ocrnet::cuda::conv {

static_assert(kWarpgroupRows == kMomentPixels);

inline constexpr int kWarpgroupWarps = kWarpgroupThreads / kWarpLanes, kWarpRows = 16;

/// Of some values, whose number is known elsewhere.
struct Moment {
  float mean, squares;
};

/// Of `count` values and `otherCount` others, which need not be there.
__device__ __forceinline__ Moment joined(const Moment& one, float count, const Moment& other,
                                         float otherCount) {
  const float share = otherCount > 0 ? otherCount / (count + otherCount) : 0;
  const float distance = other.mean - one.mean;
  return {fmaf(distance, share, one.mean),
          fmaf(distance * distance, count * share, one.squares + other.squares)};
}

/// Of eight channels that 32 lanes have, those of a lane: lanes that differ by 16 have other fours of them,
/// by 8 other pairs, by 4 one each.
template <int channels>
struct SharedChannels {
  static constexpr int kHalf = channels / 2, kDistance = channels * 2;

  static __device__ __forceinline__ bool isUpper() { return (threadIdx.x & kDistance) != 0; }

  /// Sums over the lanes, of one channel for each: two lanes give away what the other goes on with.
  static __device__ __forceinline__ float sum(const float (&own)[channels]) {
    float kept[kHalf];
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      const float given = isUpper() ? own[i] : own[i + kHalf];
      kept[i] = (isUpper() ? own[i + kHalf] : own[i]) + __shfl_xor_sync(kAllLanes, given, kDistance);
    }
    return SharedChannels<kHalf>::sum(kept);
  }
  /// What all lanes have of one channel each.
  static __device__ __forceinline__ void gather(float own, float (&all)[channels]) {
    float half[kHalf];
    SharedChannels<kHalf>::gather(own, half);
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      const float taken = __shfl_xor_sync(kAllLanes, half[i], kDistance);
      all[i] = isUpper() ? taken : half[i];
      all[i + kHalf] = isUpper() ? half[i] : taken;
    }
  }
  /// The number of that channel.
  static __device__ __forceinline__ int channel() {
    return (isUpper() ? kHalf : 0) + SharedChannels<kHalf>::channel();
  }
};
template <>
struct SharedChannels<1> {
  static __device__ __forceinline__ float sum(const float (&own)[1]) { return own[0]; }
  static __device__ __forceinline__ void gather(float own, float (&all)[1]) { all[0] = own; }
  static __device__ __forceinline__ int channel() { return 0; }
};

/// Where the warps of a consumer meet, with `momentColumns` of the tile's columns at a time.
template <class Tile>
struct MomentExchange {
  Moment ofWarps[kWarpgroupWarps][Tile::momentColumns];
};

/// Of the warpgroup's rows of a tile, those that are pixels.
template <class Tile, bool waits = true>
class WarpgroupMoments {
  static constexpr int kEight = 8;
  using Channels = SharedChannels<kEight>;
  static_assert(Tile::columns % Tile::momentColumns == 0 && Tile::momentColumns % kEight == 0);

 public:
  __device__ __forceinline__ WarpgroupMoments(MomentExchange<Tile>& exchange, int warpgroup, int firstPixel,
                                              int pixels)
      : exchange_(exchange),
        warpgroup_(warpgroup),
        range_(firstPixel / kWarpgroupRows),
        rows_(min(kWarpgroupRows, pixels - firstPixel)) {}

  /// Of 32 columns of the tile from `first` on, each of four neighbouring lanes with eight: what is in the
  /// thread's two rows, anything where rows are no pixels. Columns come in their order.
  __device__ __forceinline__ void add(const Moments& moments, int firstChannel, int channels, int first,
                                      const float (&rows)[2][kEight]) {
    const Moment moment = ofWarp(rows);
#pragma unroll
    for (int quarter = 0; quarter < 4; ++quarter) {
      const int column = first + quarter * kEight;
      if (lane() % 4 == quarter) {
        exchange_.ofWarps[warp()][column % Tile::momentColumns + Channels::channel()] = moment;
      }
      if ((column + kEight) % Tile::momentColumns != 0) continue;
      const int begin = column + kEight - Tile::momentColumns;
      if constexpr (waits) synchroniseWarpgroup(warpgroup_);
      write(moments, firstChannel + begin, channels);
      synchroniseWarpgroup(warpgroup_);
    }
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % kWarpLanes; }
  static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x) % kWarpgroupThreads; }
  static __device__ __forceinline__ int warp() { return thread() / kWarpLanes; }
  /// Of a warp's rows those that are pixels: the first ones.
  __device__ __forceinline__ int rowsOf(int warp) const {
    return min(kWarpRows, max(0, rows_ - warp * kWarpRows));
  }

  /// Of one of the lane's channels.
  __device__ __forceinline__ Moment ofWarp(const float (&rows)[2][kEight]) const {
    const int count = rowsOf(warp()), row = lane() / 4;
    const auto sumOf = [&](const auto& term) {
      float sums[kEight];
#pragma unroll
      for (int i = 0; i < kEight; ++i) {
        sums[i] = (row < count ? term(rows[0][i], i) : 0) + (row + 8 < count ? term(rows[1][i], i) : 0);
      }
      return Channels::sum(sums);
    };
    const float mean = sumOf([](float x, int) { return x; }) / static_cast<float>(max(count, 1));
    float means[kEight];
    Channels::gather(mean, means);
    return {mean, sumOf([&](float x, int i) { return (x - means[i]) * (x - means[i]); })};
  }

  __device__ __forceinline__ void write(const Moments& moments, int firstChannel, int channels) const {
#pragma unroll
    for (int column = thread(); column < Tile::momentColumns; column += kWarpgroupThreads) {
      Moment all = exchange_.ofWarps[0][column];
#pragma unroll
      for (int other = 1; other < kWarpgroupWarps; ++other) {
        const int before = min(rows_, other * kWarpRows);
        all = joined(all, static_cast<float>(before), exchange_.ofWarps[other][column],
                     static_cast<float>(rowsOf(other)));
      }
      const int channel = firstChannel + column;
      if (channel < channels) moments.write(range_, channel, all.mean, all.squares);
    }
  }

  MomentExchange<Tile>& exchange_;
  const int warpgroup_, range_, rows_;
};

}  // namespace ocrnet::cuda::conv

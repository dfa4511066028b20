#pragma once

// How the tiles of weighted-sums-tensor.cu come into shared memory: each while the one before it is worked
// on. Rows of a tile are 16 bytes longer than what they hold, so that ldmatrix meets no bank twice.

#include "cuda/device/async-copy.h"
#include "cuda/device/element.h"
#include "cuda/ops/weighted-sums-place.h"

namespace ocrnet::cuda::attention {

inline constexpr int kTensorThreads = 256, kTensorWarpRows = 16, kTensorColumns = 64;
inline constexpr int kTensorRows = kTensorThreads / kWarpLanes * kTensorWarpRows;
inline constexpr int kTensorInner = 64;     // channels of a tile
inline constexpr int kResidentDepth = 256;  // up to which the rows' factors stay
inline constexpr int kPadding = 8;

/// What the threads share. T: BFloat16 or Float16.
template <class T, int width>
struct TensorMemory {
  union Tile {
    struct {
      T rows[kTensorRows][kTensorInner + kPadding], columns[kTensorColumns][kTensorInner + kPadding];
    };
    T terms[kTensorColumns][width + kPadding];
  };
  alignas(16) Tile tiles[2];
  alignas(16) T rowFactors[kTensorRows][kResidentDepth + kPadding];
  float logSumExp[kTensorRows], means[kTensorRows];  // of rows or columns
};

using TensorPlace = PlaceOf<kTensorRows, kTensorColumns, kTensorWarpRows>;

__device__ __forceinline__ int toSixteen(int count) { return (count + 15) / 16 * 16; }

/// Starts to copy so many channels, with zeros up to the next multiple of 16 of channels and of pixels. What
/// lies beyond is not written.
template <int tilePixels, int tileChannels, class T>
__device__ __forceinline__ void loadTensorTile(const Pixels<T>& from, std::int64_t allChannels, T* tile,
                                               int stride) {
  constexpr int kPack = kPackElements<T>, kPacks = tileChannels / kPack;
  const int channels = upTo(tileChannels, allChannels), pixels = toSixteen(from.count);
#pragma unroll 2
  for (int i = threadIdx.x; i < tilePixels * kPacks; i += kTensorThreads) {
    const int pixel = i / kPacks, channel = i % kPacks * kPack;
    if (pixel >= pixels || channel >= toSixteen(channels)) continue;
    const bool there = pixel < from.count && channel < channels;
    copyAsync16(tile + pixel * stride + channel, from.data + (there ? pixel * from.step + channel : 0),
                there);
  }
}

/// Copies tiles in the order in which they are used, one ahead.
template <class T, int width, AttentionPass pass>
class TensorTiles {
 public:
  using Memory = TensorMemory<T, width>;

  __device__ __forceinline__ TensorTiles(const WeightedSums& a, Memory& memory)
      : a_(a), memory_(memory), cursor_{TensorPlace::first<width>(a)} {
    if constexpr (pass == AttentionPass::dQuery) {
      loadStatistics<kTensorRows, kTensorThreads>(cursor_.at.template rows<float>(a, a.logSumExp),
                                                  memory.logSumExp);
      loadStatistics<kTensorRows, kTensorThreads>(cursor_.at.template rows<float>(a, a.means), memory.means);
    }
    if (a.depth <= kResidentDepth) {
      loadTensorTile<kTensorRows, kResidentDepth>(cursor_.at.template rows<T>(a, a.rowFactors), a.depth,
                                                  &memory.rowFactors[0][0], kResidentDepth + kPadding);
    }
    load();
  }

  /// The next tile, until the next call. All threads of the block come.
  __device__ __forceinline__ const typename Memory::Tile& next() {
    awaitCopies<0>();
    __syncthreads();
    const typename Memory::Tile& tile = memory_.tiles[stage_];
    stage_ ^= 1;
    cursor_.advance(a_);
    if (cursor_.at.columnCount > 0) load();
    return tile;
  }

 private:
  using Cursor = TileCursor<TensorPlace, pass, kTensorInner, kTensorColumns>;

  __device__ __forceinline__ void load() {
    typename Memory::Tile& tile = memory_.tiles[stage_];
    if (cursor_.phase == Cursor::terms) {
      Pixels<T> from = cursor_.at.template columns<T>(a_, a_.terms);
      from.data += cursor_.at.firstTerm;
      loadTensorTile<kTensorColumns, width>(from, a_.width - cursor_.at.firstTerm, &tile.terms[0][0],
                                            width + kPadding);
    } else {
      const bool first = cursor_.phase == Cursor::scores;
      const std::int64_t channels = (first ? a_.depth : a_.channels) - cursor_.offset;
      if (!first || a_.depth > kResidentDepth) {
        Pixels<T> rows = cursor_.at.template rows<T>(a_, first ? a_.rowFactors : a_.rowGradients);
        rows.data += cursor_.offset;
        loadTensorTile<kTensorRows, kTensorInner>(rows, channels, &tile.rows[0][0], kTensorInner + kPadding);
      }
      Pixels<T> columns = cursor_.at.template columns<T>(a_, first ? a_.columnFactors : a_.columnGradients);
      columns.data += cursor_.offset;
      loadTensorTile<kTensorColumns, kTensorInner>(columns, channels, &tile.columns[0][0],
                                                   kTensorInner + kPadding);
      if constexpr (pass == AttentionPass::dKey || pass == AttentionPass::dValue) {
        // Those of the columns before were read before the barrier that this tile's copy follows.
        if (first && cursor_.offset == 0) {
          loadStatistics<kTensorRows, kTensorThreads>(cursor_.at.template columns<float>(a_, a_.logSumExp),
                                                      memory_.logSumExp);
          if (pass == AttentionPass::dKey) {
            loadStatistics<kTensorRows, kTensorThreads>(cursor_.at.template columns<float>(a_, a_.means),
                                                        memory_.means);
          }
        }
      }
    }
    commitCopies();
  }

  const WeightedSums& a_;
  Memory& memory_;
  Cursor cursor_;
  int stage_ = 0;
};

}  // namespace ocrnet::cuda::attention

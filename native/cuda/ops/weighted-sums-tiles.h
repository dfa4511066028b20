#pragma once

// How the tiles of weighted-sums.cu come into shared memory: each while the one before it is worked on.

#include "cuda/device/async-copy.h"
#include "cuda/device/element.h"
#include "cuda/device/reduce.h"
#include "cuda/ops/weighted-sums-place.h"

namespace ocrnet::cuda::attention {

inline constexpr int kThreads = 256, kWarps = kThreads / kWarpLanes;
inline constexpr int kWarpRows = 8, kLaneColumns = 4, kLanePack = 4;
inline constexpr int kRows = kWarps * kWarpRows, kColumns = kWarpLanes * kLaneColumns;
inline constexpr int kInner = 32, kInnerStride = kInner + 4;  // channels of a tile
inline constexpr int kTerms = 32;                             // columns of a tile of terms
inline constexpr int kPackWidth = kWarpLanes * kLanePack;     // channels of the sums that a warp's packs make

/// What the threads share.
template <int packs>
struct SumsMemory {
  union Tile {
    struct {
      float rows[kRows][kInnerStride], columns[kColumns][kInnerStride];
    };
    float terms[kTerms][packs * kPackWidth];
  };
  alignas(16) Tile tiles[2];
  alignas(16) float weights[kRows][kColumns];
  float logSumExp[kColumns], means[kColumns];  // of rows or columns
};

__device__ __forceinline__ int toFour(int count) { return (count + 3) / 4 * 4; }

/// Starts to copy a pack, or zeros. An element that is to be converted is copied at once.
template <int pack, class T>
__device__ __forceinline__ void copyPack(float* to, const T* from, bool there) {
  if constexpr (!std::is_same_v<T, float>) {
    static_assert(pack == 1, "tensor cores take packs of 16-bit numbers");
    *to = there ? toFloat32(*from) : 0;
  } else {
    pack == 1 ? copyAsync4(to, from, there) : copyAsync16(to, from, there);
  }
}

template <int tilePixels, int tileChannels, int pack, class T>
__device__ __forceinline__ void copyTile(const Pixels<T>& from, int channels, float* tile, int stride) {
  constexpr int kPacks = tileChannels / pack;
  const int pixels = toFour(from.count);
#pragma unroll 2
  for (int i = threadIdx.x; i < tilePixels * kPacks; i += kThreads) {
    const int pixel = i / kPacks, channel = i % kPacks * pack;
    if (pixel >= pixels || channel >= toFour(channels)) continue;
    const bool there = pixel < from.count && channel < channels;
    copyPack<pack>(tile + pixel * stride + channel, from.data + (there ? pixel * from.step + channel : 0),
                   there);
  }
}

/// Starts to copy a tile into rows of `stride` floats: so many channels, with zeros up to the next multiple
/// of four of channels and of pixels. What lies beyond is not written.
template <int tilePixels, int tileChannels, class T>
__device__ __forceinline__ void loadTile(const Pixels<T>& from, std::int64_t channels, bool packed,
                                         float* tile, int stride) {
  const int count = upTo(tileChannels, channels);
  if constexpr (std::is_same_v<T, float>) {
    if (packed) return copyTile<tilePixels, tileChannels, kPackElements<T>>(from, count, tile, stride);
  }
  copyTile<tilePixels, tileChannels, 1>(from, count, tile, stride);
}

using Place = PlaceOf<kRows, kColumns, kWarpRows>;

/// Copies tiles in the order in which they are used, one ahead.
template <class T, int packs, AttentionPass pass>
class Tiles {
 public:
  using Memory = SumsMemory<packs>;

  __device__ __forceinline__ Tiles(const WeightedSums& a, bool packed, Memory& memory)
      : a_(a), packed_(packed), memory_(memory), cursor_{Place::first<kWidth>(a)} {
    if constexpr (pass == AttentionPass::dQuery) {
      loadStatistics<kColumns, kThreads>(cursor_.at.template rows<float>(a, a.logSumExp), memory.logSumExp);
      loadStatistics<kColumns, kThreads>(cursor_.at.template rows<float>(a, a.means), memory.means);
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
  using Cursor = TileCursor<Place, pass, kInner, kTerms>;
  static constexpr int kWidth = packs * kPackWidth;

  __device__ __forceinline__ void load() {
    typename Memory::Tile& tile = memory_.tiles[stage_];
    if (cursor_.phase == Cursor::terms) {
      Pixels<T> from = cursor_.at.template columns<T>(a_, a_.terms, static_cast<int>(cursor_.offset));
      from.data += cursor_.at.firstTerm;
      loadTile<kTerms, kWidth>(from, a_.width - cursor_.at.firstTerm, packed_, &tile.terms[0][0], kWidth);
    } else {
      const bool first = cursor_.phase == Cursor::scores;
      Pixels<T> rows = cursor_.at.template rows<T>(a_, first ? a_.rowFactors : a_.rowGradients);
      Pixels<T> columns = cursor_.at.template columns<T>(a_, first ? a_.columnFactors : a_.columnGradients);
      const std::int64_t channels = (first ? a_.depth : a_.channels) - cursor_.offset;
      rows.data += cursor_.offset;
      columns.data += cursor_.offset;
      loadTile<kRows, kInner>(rows, channels, packed_, &tile.rows[0][0], kInnerStride);
      loadTile<kColumns, kInner>(columns, channels, packed_, &tile.columns[0][0], kInnerStride);
      if constexpr (pass == AttentionPass::dKey || pass == AttentionPass::dValue) {
        // Those of the columns before were read before the barrier that this tile's copy follows.
        if (first && cursor_.offset == 0) {
          loadStatistics<kColumns, kThreads>(cursor_.at.template columns<float>(a_, a_.logSumExp),
                                             memory_.logSumExp);
          if (pass == AttentionPass::dKey)
            loadStatistics<kColumns, kThreads>(cursor_.at.template columns<float>(a_, a_.means),
                                               memory_.means);
        }
      }
    }
    commitCopies();
  }

  const WeightedSums& a_;
  const bool packed_;
  Memory& memory_;
  Cursor cursor_;
  int stage_ = 0;
};

}  // namespace ocrnet::cuda::attention

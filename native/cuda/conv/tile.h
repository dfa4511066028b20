#pragma once

// The shape of what a block computes, and how a step of it lies in shared memory.
//
// A step is a piece of the products' depth, of 64 bytes for each row and column of the block's tile; three
// steps are in shared memory at once. They lie in one of two ways, in chunks of 16 bytes that are swizzled,
// so that the chunks which are read together lie in different banks:
// - deep: a row of 64 bytes for each row or column of the tile, neighbours are neighbours in depth;
// - wide: a row for each element of depth, neighbours are neighbouring rows or columns of the tile.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace ocrnet::cuda::conv {

inline constexpr int kStages = 3, kDeepRowBytes = 64, kChunkBytes = 16;

/// A tile of rows × columns, by warps of warpRows × warpColumns, some blocks at once on a multiprocessor.
template <int rows_, int columns_, int warpRows_, int warpColumns_, int blocksAtOnce_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_;
  static constexpr int warpRows = warpRows_, warpColumns = warpColumns_;
  static constexpr int warpsAcross = columns / warpColumns;
  static constexpr int threads = rows / warpRows * warpsAcross * 32;
  static constexpr int blocksAtOnce = blocksAtOnce_;
};
/// 64 sums a thread are what registers hold beside their operands.
using LargeTile = Tile<128, 128, 64, 32, 2>;
/// For results too few to fill a GPU with large tiles, or of few channels.
using SmallTile = Tile<64, 64, 32, 32, 4>;

/// Elements of depth in a step.
template <class T>
inline constexpr int kStepDepth = kDeepRowBytes / static_cast<int>(sizeof(T));

/// Bytes from the start of a deep operand to a chunk: rows are read eight at a time.
__device__ __forceinline__ int deepPlace(int row, int chunk) {
  return row * kDeepRowBytes + ((chunk ^ (row >> 1 & 3)) * kChunkBytes);
}

/// Of a wide one of `width` elements: 16-bit numbers are read in chunks of eight rows, float32 in elements of
/// two chunks and four rows.
template <class T, int width>
__device__ __forceinline__ int widePlace(int row, int chunk) {
  const int swizzle = sizeof(T) == 2 ? row & 7 : (row & 3) << 1;
  return row * width * static_cast<int>(sizeof(T)) + ((chunk ^ swizzle) * kChunkBytes);
}

/// Rows of sums that pass through shared memory at a time, to be written in packs; the gap avoids conflicts.
inline constexpr int kStagedRows = 64, kStagedGap = 8;

template <class Tile>
struct Steps {
  alignas(128) std::byte a[kStages][Tile::rows * kDeepRowBytes];
  alignas(128) std::byte b[kStages][Tile::columns * kDeepRowBytes];
};
template <class Tile>
struct StagedSums {
  float rows[kStagedRows][Tile::columns + kStagedGap];
};
/// The steps, and afterwards the sums.
template <class Tile>
union TileMemory {
  Steps<Tile> steps;
  StagedSums<Tile> sums;
};

/// Mistakes that the tests plant into a kernel, to see that they would be noticed.
enum class Mistake {
  none,
  missingBarrier,
  earlyReuse,
  lateWait,
  boundOfRows,
  boundOfColumns,
  earlyEnd,
  missingMomentsBarrier
};

}  // namespace ocrnet::cuda::conv

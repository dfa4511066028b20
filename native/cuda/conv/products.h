#pragma once

// How a block multiplies a step's operands and adds to its sums: by tensor cores in bfloat16, float16 or
// tf32, or in float32. Each kind of products names its element type, the class that holds a thread's sums,
// and how it rounds an operand.

#include "cuda/conv/tile.h"
#include "cuda/device/element.h"
#include "cuda/device/mma.h"

namespace ocrnet::cuda::conv {

/// Sums of a warp's part of the tile, in matrices of 16 × 8 as mma.sync spreads them over the lanes.
template <class Tile, class Products>
class MatrixSums {
  using T = typename Products::Element;
  static constexpr int kDown = Tile::warpRows / 16, kAcross = Tile::warpColumns / 8;
  static constexpr int kSlices = 2;  // of a step, each of 32 bytes in depth: one product

 public:
  __device__ MatrixSums()
      : lane_(static_cast<int>(threadIdx.x) % 32),
        firstRow_(static_cast<int>(threadIdx.x) / 32 / Tile::warpsAcross * Tile::warpRows),
        firstColumn_(static_cast<int>(threadIdx.x) / 32 % Tile::warpsAcross * Tile::warpColumns) {}

  /// Of deep operands.
  __device__ __forceinline__ void addDeep(const std::byte* a, const std::byte* b) {
#pragma unroll
    for (int slice = 0; slice < kSlices; ++slice) {
      std::uint32_t across[kAcross / 2][4];
#pragma unroll
      for (int j = 0; j < kAcross / 2; ++j) {
        const int row = firstColumn_ + j * 16 + (lane_ & 7) + (lane_ >> 4) * 8;
        loadMatrices(across[j], b + deepPlace(row, slice * 2 + (lane_ >> 3 & 1)));
      }
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        std::uint32_t down[4];
        loadMatrices(down, a + deepPlace(firstRow_ + i * 16 + (lane_ & 15), slice * 2 + (lane_ >> 4)));
        multiply(i, down, across);
      }
    }
  }

  /// Of wide operands.
  __device__ __forceinline__ void addWide(const std::byte* a, const std::byte* b) {
#pragma unroll(sizeof(T) == 2 ? kSlices : 1)
    for (int slice = 0; slice < kSlices; ++slice) {
      std::uint32_t across[kAcross / 2][4];
#pragma unroll
      for (int j = 0; j < kAcross / 2; ++j) loadWideColumns(across[j], b, slice, firstColumn_ + j * 16);
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        std::uint32_t down[4];
        loadWideRows(down, a, slice, firstRow_ + i * 16);
        multiply(i, down, across);
      }
    }
  }

  /// Puts the sums of the tile's rows first … first + 63 into `staged`.
  __device__ __forceinline__ void stage(int first, StagedSums<Tile>& staged) const {
    const int row = firstRow_ - first + lane_ / 4, column = firstColumn_ + lane_ % 4 * 2;
    if (firstRow_ < first || firstRow_ >= first + kStagedRows) return;
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float pair[2] = {sums_[i][j][2 * half], sums_[i][j][2 * half + 1]};
          storePack<2>(&staged.rows[row + i * 16 + half * 8][column + j * 8], pair);
        }
      }
    }
  }

  /// The same, of what addWide added.
  __device__ __forceinline__ void stageWide(int first, StagedSums<Tile>& staged) const {
    stage(first, staged);
  }

 private:
  template <int width>
  static __device__ __forceinline__ std::uint32_t wideElement(const std::byte* operand, int depth, int i) {
    return *reinterpret_cast<const std::uint32_t*>(operand + widePlace<float, width>(depth, i / 4) +
                                                   i % 4 * 4);
  }

  /// Rows first … first + 15 of a, of a slice.
  __device__ __forceinline__ void loadWideRows(std::uint32_t (&down)[4], const std::byte* a, int slice,
                                               int first) const {
    if constexpr (sizeof(T) == 2) {
      const int row = (lane_ & 7) + slice * 16 + (lane_ >> 4) * 8;
      loadTransposedMatrices(down, a + widePlace<T, Tile::rows>(row, first / 8 + (lane_ >> 3 & 1)));
    } else {
      const int row = slice * 8 + lane_ % 4, g = first + lane_ / 4;
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        down[r] = wideElement<Tile::rows>(a, row + r / 2 * 4, g + r % 2 * 8);
      }
    }
  }

  /// Columns first … first + 15 of b, of a slice.
  __device__ __forceinline__ void loadWideColumns(std::uint32_t (&across)[4], const std::byte* b, int slice,
                                                  int first) const {
    if constexpr (sizeof(T) == 2) {
      const int row = (lane_ & 7) + slice * 16 + (lane_ >> 3 & 1) * 8;
      loadTransposedMatrices(across, b + widePlace<T, Tile::columns>(row, first / 8 + (lane_ >> 4)));
    } else {
      const int row = slice * 8 + lane_ % 4, g = first + lane_ / 4;
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        across[r] = Products::rounded(wideElement<Tile::columns>(b, row + r % 2 * 4, g + r / 2 * 8));
      }
    }
  }

  /// Adds the products of 16 rows, which lie in `down`, and all of the warp's columns.
  __device__ __forceinline__ void multiply(int i, std::uint32_t (&down)[4],
                                           const std::uint32_t (&across)[kAcross / 2][4]) {
#pragma unroll
    for (int r = 0; r < 4; ++r) down[r] = Products::rounded(down[r]);
#pragma unroll
    for (int j = 0; j < kAcross; ++j) {
      const std::uint32_t column[2] = {across[j / 2][j % 2 * 2], across[j / 2][j % 2 * 2 + 1]};
      Products::multiply(sums_[i][j], down, column);
    }
  }

  int lane_, firstRow_, firstColumn_;
  float sums_[kDown][kAcross][4] = {};
};

/// Sums in float32. Deep: a thread has every so-manieth row and column. Wide: groups of four of them.
template <class Tile>
class ScalarSums {
  static constexpr int kThreadsAcross = 16, kThreadsDown = Tile::threads / kThreadsAcross;
  static constexpr int kDown = Tile::rows / kThreadsDown, kAcross = Tile::columns / kThreadsAcross;
  static constexpr int kChunk = kChunkBytes / sizeof(float);
  static constexpr int kPair =
      2;  // of depth at a time: a whole chunk of each row is more than registers hold

 public:
  __device__ ScalarSums()
      : down_(static_cast<int>(threadIdx.x) / kThreadsAcross),
        across_(static_cast<int>(threadIdx.x) % kThreadsAcross) {}

  __device__ __forceinline__ void addDeep(const std::byte* a, const std::byte* b) {
#pragma unroll 1
    for (int depth = 0; depth < kStepDepth<float>; depth += kPair) {
      const int chunk = depth / kChunk, byte = depth % kChunk * static_cast<int>(sizeof(float));
      float across[kAcross][kPair];
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        load(b + deepPlace(across_ + j * kThreadsAcross, chunk) + byte, across[j]);
      }
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        float down[kPair];
        load(a + deepPlace(down_ + i * kThreadsDown, chunk) + byte, down);
#pragma unroll
        for (int k = 0; k < kPair; ++k) {
#pragma unroll
          for (int j = 0; j < kAcross; ++j) sums_[i][j] += down[k] * across[j][k];
        }
      }
    }
  }

  __device__ __forceinline__ void addWide(const std::byte* a, const std::byte* b) {
#pragma unroll 1
    for (int depth = 0; depth < kStepDepth<float>; ++depth) {
      float down[kDown / kChunk][kChunk], across[kAcross / kChunk][kChunk];
#pragma unroll
      for (int i = 0; i < kDown / kChunk; ++i) {
        load(a + widePlace<float, Tile::rows>(depth, down_ + i * kThreadsDown), down[i]);
      }
#pragma unroll
      for (int j = 0; j < kAcross / kChunk; ++j) {
        load(b + widePlace<float, Tile::columns>(depth, across_ + j * kThreadsAcross), across[j]);
      }
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
#pragma unroll
        for (int j = 0; j < kAcross; ++j) {
          sums_[i][j] += down[i / kChunk][i % kChunk] * across[j / kChunk][j % kChunk];
        }
      }
    }
  }

  __device__ __forceinline__ void stage(int first, StagedSums<Tile>& staged) const {
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
      const int row = down_ + i * kThreadsDown - first;
      if (row < 0 || row >= kStagedRows) continue;
#pragma unroll
      for (int j = 0; j < kAcross; ++j) staged.rows[row][across_ + j * kThreadsAcross] = sums_[i][j];
    }
  }

  __device__ __forceinline__ void stageWide(int first, StagedSums<Tile>& staged) const {
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
      const int row = (down_ + i / kChunk * kThreadsDown) * kChunk + i % kChunk - first;
      if (row < 0 || row >= kStagedRows) continue;
#pragma unroll
      for (int j = 0; j < kAcross; j += kChunk) {
        const float chunk[kChunk] = {sums_[i][j], sums_[i][j + 1], sums_[i][j + 2], sums_[i][j + 3]};
        storePack<kChunk>(&staged.rows[row][(across_ + j / kChunk * kThreadsAcross) * kChunk], chunk);
      }
    }
  }

 private:
  template <int count>
  static __device__ __forceinline__ void load(const std::byte* from, float (&x)[count]) {
    loadPack<count>(reinterpret_cast<const float*>(from), x);
  }

  int down_, across_;
  float sums_[kDown][kAcross] = {};
};

/// Of 16-bit numbers.
template <class T>
struct HalfProducts {
  using Element = T;
  template <class Tile>
  using Sums = MatrixSums<Tile, HalfProducts>;
  /// Of one multiprocessor of an H100, as published for mma.sync.
  static constexpr double productsPerMicrosecond = 1.8e6;

  static __device__ __forceinline__ std::uint32_t rounded(std::uint32_t bits) { return bits; }
  static __device__ __forceinline__ void multiply(float (&c)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2]) {
    multiplyAdd<T>(c, a, b);
  }
};

struct BFloat16Products : HalfProducts<BFloat16> {
  static constexpr const char* name = "bf16";
};

struct Float16Products : HalfProducts<Float16> {
  static constexpr const char* name = "f16";
};

struct Tf32Products {
  using Element = float;
  template <class Tile>
  using Sums = MatrixSums<Tile, Tf32Products>;
  static constexpr const char* name = "tf32";
  static constexpr double productsPerMicrosecond = 0.9e6;

  static __device__ __forceinline__ std::uint32_t rounded(std::uint32_t bits) { return roundToTf32(bits); }
  static __device__ __forceinline__ void multiply(float (&c)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2]) {
    multiplyAddTf32(c, a, b);
  }
};

struct Float32Products {
  using Element = float;
  template <class Tile>
  using Sums = ScalarSums<Tile>;
  static constexpr const char* name = "float32";
  static constexpr double productsPerMicrosecond = 0.15e6;
};

}  // namespace ocrnet::cuda::conv

#pragma once

// Products of matrices whose sides are pixels, classes and channels: a block of threads has a tile of the
// result, copies tiles of the operands into shared memory while it multiplies those before, and takes what
// lies outside the operands for zero. Float32 is multiplied as it is (Simt), numbers of 16 bits by tensor
// cores (Tensor). An operand of another type than the tensor cores' becomes the sum of two of their numbers:
// two bfloat16 keep 16 of float32's 24 bits, and all of float16's 11.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "cuda/device/async-copy.h"
#include "cuda/device/element.h"
#include "cuda/device/mma.h"
#include "cuda/device/reduce.h"

namespace ocrnet::cuda {

inline constexpr int kProductThreads = 256, kProductWarps = kProductThreads / kWarpLanes;

/// How the rows of a matrix lie to the depth, over which the product sums: along it, as (outer, depth), or
/// across, as (depth, outer).
enum class Rows { alongDepth, acrossDepth };

/// A matrix in memory. `packed`: rows begin at multiples of 16 bytes and have whole packs of 16.
template <class T, bool packed>
struct Operand {
  const T* data;
  std::int64_t stride, rows, columns;
};

/// Whether rows of so many elements at such a stride are packed.
template <class T>
bool fitsPacked(const void* data, std::int64_t stride, std::int64_t columns) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride % kPackElements<T> == 0 &&
         columns % kPackElements<T> == 0;
}

/// By ordinary arithmetic in float32, which other types become. Tiles lie in shared memory as (depth, outer).
struct Simt {
  using Element = float;
  static constexpr int kDepth = 16;

  template <Rows rows, int outer>
  struct Tile {
    static constexpr bool kTransposed = rows == Rows::alongDepth;
    static constexpr int kStride = outer + 4, kElements = kDepth * kStride;
  };
};

/// BFloat16 or Float16 by tensor cores. Tiles lie in shared memory as the operands do; the rows' strides are
/// odd multiples of 16 bytes, so that the eight rows that ldmatrix reads at once come from different banks.
template <class T>
struct Tensor {
  using Element = T;
  static constexpr int kDepth = 32;

  template <Rows rows, int outer>
  struct Tile {
    static constexpr bool kTransposed = false;
    static constexpr int kStride = (rows == Rows::alongDepth ? kDepth : outer) + 8;
    static constexpr int kElements = (rows == Rows::alongDepth ? outer : kDepth) * kStride;
  };
};

template <class T>
using EngineFor = std::conditional_t<std::is_same_v<T, float>, Simt, Tensor<T>>;

/// Of a product with float32 numbers, which float16 has not the range for.
template <class T>
using MixedEngineFor = std::conditional_t<std::is_same_v<T, float>, Simt, Tensor<BFloat16>>;

/// x as the sum of two numbers of T. An infinity is all in the upper one.
template <class T>
__device__ __forceinline__ void halve(float x, T& upper, T& lower) {
  upper = fromFloat32<T>(x);
  const float rest = x - toFloat32(upper);
  lower = fromFloat32<T>(rest - rest == 0 ? rest : 0);
}

/// What becomes of elements on their way into a tile: nothing. `part` numbers a thread's columns; what lies
/// outside of the operand is zero.
struct AsTheyAre {
  template <class Unit>
  __device__ __forceinline__ Unit operator()(int /*part*/, const Unit& unit, bool /*inside*/) {
    return unit;
  }
};

/// The greatest power of two, up to 32, that divides n.
constexpr int lanesFor(int n) {
  int lanes = 1;
  while (lanes < 32 && n % (2 * lanes) == 0) lanes *= 2;
  return lanes;
}

/// Brings tiles of an operand, one for each step of the depth, into a ring of buffers in shared memory: by
/// asynchronous copies some steps ahead, or one step ahead through registers where elements must be looked
/// at, and may be changed.
template <class Engine, class T, bool packed, Rows rows, int outer, class Change = AsTheyAre>
class TileCopy {
  using Element = typename Engine::Element;
  using Tile = typename Engine::template Tile<rows, outer>;
  static constexpr int kRows = rows == Rows::alongDepth ? outer : Engine::kDepth;
  static constexpr int kColumns = rows == Rows::alongDepth ? Engine::kDepth : outer;
  static constexpr int kUnit = packed ? kPackElements<T> : 1;  // elements that are moved together
  static constexpr int kRowUnits = kColumns / kUnit, kLanes = lanesFor(kRowUnits);
  static constexpr int kPassRows = kProductThreads / kLanes, kPasses = (kRows + kPassRows - 1) / kPassRows;
  static constexpr int kParts = kRowUnits / kLanes;
  using Unit = Pack<T, kUnit>;

 public:
  static constexpr bool kAsync =
      std::is_same_v<Change, AsTheyAre> && packed && std::is_same_v<T, Element> && !Tile::kTransposed;
  static constexpr int kStages = kAsync ? 4 : 2;
  static_assert(kAsync || kPasses * kParts <= 32);
  /// Of an operand of another type than the tensor cores': its upper and its lower bits.
  static constexpr int kHalves = std::is_same_v<T, Element> || std::is_same_v<Engine, Simt> ? 1 : 2;
  static constexpr int kStageElements = kHalves * Tile::kElements;
  struct Memory {
    alignas(16) Element stages[kStages][kStageElements];
  };

  __device__ TileCopy(const Operand<T, packed>& from, std::int64_t firstOuter, std::int64_t firstDepth,
                      Memory& memory, const Change& change = {})
      : stride_(from.stride), memory_(memory), change_(change) {
    const std::int64_t row = (rows == Rows::alongDepth ? firstOuter : firstDepth) + ownRow();
    const std::int64_t column = (rows == Rows::alongDepth ? firstDepth : firstOuter) + ownColumn();
    from_ = from.data + row * stride_ + column;
    valid_ = from.data;
    restRows_ = from.rows - row;
    restColumns_ = from.columns - column;
  }

  __device__ const Element* tile(int step) const { return memory_.stages[step % kStages]; }
  __device__ const Change& change() const { return change_; }

  /// Begins to copy the tile of the next step that was not begun, to `step`. Nothing unless asynchronous.
  __device__ __forceinline__ void start(int step) {
    if constexpr (kAsync) {
      Element* const tile = memory_.stages[step % kStages];
      eachUnit([&](int pass, int part, bool inside) {
        const T* const from = inside ? from_ + pass * kPassRows * stride_ + part * kLanes * kUnit : valid_;
        copyAsync16(tile + place(pass, part), from, inside);
      });
      advance();
    }
  }
  /// The same into registers, and from there into shared memory. Nothing if asynchronous.
  __device__ __forceinline__ void fetch() {
    if constexpr (!kAsync) {
      inside_ = 0;
      eachUnit([&](int pass, int part, bool inside) {
        kept_[pass][part] = {};
        if (inside) {
          inside_ |= 1u << (pass * kParts + part);
          kept_[pass][part] =
              *reinterpret_cast<const Unit*>(from_ + pass * kPassRows * stride_ + part * kLanes * kUnit);
        }
      });
      advance();
    }
  }
  __device__ __forceinline__ void store(int step) {
    if constexpr (!kAsync) {
      Element* const tile = memory_.stages[step % kStages];
      eachUnit([&](int pass, int part, bool) {
        Element* const to = tile + place(pass, part);
        const Unit unit = change_(part, kept_[pass][part], (inside_ >> (pass * kParts + part) & 1) != 0);
        if constexpr (Tile::kTransposed) {
#pragma unroll
          for (int k = 0; k < kUnit; ++k) to[k * Tile::kStride] = toFloat32(unit.elements[k]);
        } else {
          if constexpr (std::is_same_v<T, Element>) {
            *reinterpret_cast<Unit*>(to) = unit;
          } else if constexpr (kHalves == 1) {
            Pack<Element, kUnit> wide;
#pragma unroll
            for (int k = 0; k < kUnit; ++k) wide.elements[k] = toFloat32(unit.elements[k]);
            *reinterpret_cast<Pack<Element, kUnit>*>(to) = wide;
          } else {
            Pack<Element, kUnit> upper, lower;
#pragma unroll
            for (int k = 0; k < kUnit; ++k) {
              halve(toFloat32(unit.elements[k]), upper.elements[k], lower.elements[k]);
            }
            *reinterpret_cast<Pack<Element, kUnit>*>(to) = upper;
            *reinterpret_cast<Pack<Element, kUnit>*>(to + Tile::kElements) = lower;
          }
        }
      });
    }
  }

 private:
  __device__ static int ownRow() { return static_cast<int>(threadIdx.x) / kLanes; }
  __device__ static int ownColumn() { return static_cast<int>(threadIdx.x) % kLanes * kUnit; }
  /// body(pass, part, whether it lies in the operand) for the thread's units of a tile.
  template <class Body>
  __device__ __forceinline__ void eachUnit(const Body& body) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      if (kRows % kPassRows != 0 && pass * kPassRows + ownRow() >= kRows) continue;
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        body(pass, part, pass * kPassRows < restRows_ && part * kLanes * kUnit < restColumns_);
      }
    }
  }
  __device__ static int place(int pass, int part) {
    const int row = pass * kPassRows + ownRow(), column = part * kLanes * kUnit + ownColumn();
    return Tile::kTransposed ? column * Tile::kStride + row : row * Tile::kStride + column;
  }
  __device__ __forceinline__ void advance() {
    if constexpr (rows == Rows::alongDepth) {
      from_ += Engine::kDepth;
      restColumns_ -= Engine::kDepth;
    } else {
      from_ += Engine::kDepth * stride_;
      restRows_ -= Engine::kDepth;
    }
  }
  const T *from_, *valid_;
  std::int64_t stride_, restRows_, restColumns_;
  Memory& memory_;
  Change change_;
  Unit kept_[kAsync ? 1 : kPasses][kAsync ? 1 : kParts];
  unsigned inside_;  // of these, a bit each
};

/// Calls use(step) for each step of the depth while the tiles of later ones are on their way. All threads
/// must come; the memory may be used again at once.
template <class Use, class... Copies>
__device__ __forceinline__ void overlapped(int steps, const Use& use, Copies&... copies) {
  constexpr int kStages = 4;
  static_assert(((Copies::kStages <= kStages) && ...));
  const auto start = [&](int step) {
    if (step < steps) (copies.start(step), ...);
    commitCopies();
  };
#pragma unroll
  for (int step = 0; step < kStages - 1; ++step) start(step);
  (copies.fetch(), ...);
  (copies.store(0), ...);
  awaitCopies<kStages - 2>();
  __syncthreads();
  for (int step = 0; step < steps; ++step) {
    const bool more = step + 1 < steps;
    start(step + kStages - 1);
    if (more) (copies.fetch(), ...);
    use(step);
    if (more) (copies.store(step + 1), ...);
    awaitCopies<kStages - 2>();
    __syncthreads();
  }
}

/// A thread's part of a tile's sums.
template <class Engine, int rows, int columns>
class TileSums;

/// Sixteen times sixteen threads with groups of neighbouring rows and of columns.
template <int rows, int columns>
class TileSums<Simt, rows, columns> {
  static constexpr int kSide = 16, kOwnRows = rows / kSide, kOwnColumns = columns / kSide;

 public:
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kOwnRows * kOwnColumns; ++i) sums_[i / kOwnColumns][i % kOwnColumns] = 0;
  }
  /// += a · b, tiles of one step of the depth, of so many halves each, see TileCopy.
  template <Rows rowsOfA, Rows rowsOfB, int halvesOfA = 1, int halvesOfB = 1>
  __device__ __forceinline__ void multiply(const float* a, const float* b) {
    constexpr int kStrideA = Simt::Tile<rowsOfA, rows>::kStride,
                  kStrideB = Simt::Tile<rowsOfB, columns>::kStride;
#pragma unroll 4
    for (int d = 0; d < Simt::kDepth; ++d) {
      float left[kOwnRows], right[kOwnColumns];
      load<kOwnRows>(a + d * kStrideA, rowThread(), left);
      load<kOwnColumns>(b + d * kStrideB, columnThread(), right);
#pragma unroll
      for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
        for (int j = 0; j < kOwnColumns; ++j) sums_[i][j] = fmaf(left[i], right[j], sums_[i][j]);
      }
    }
  }
  /// body(row, column, sum, sum of the next column), the column even.
  template <class Body>
  __device__ __forceinline__ void eachPair(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < kOwnColumns; j += 2) {
        body(place<kOwnRows>(i, rowThread()), place<kOwnColumns>(j, columnThread()), sums_[i][j],
             sums_[i][j + 1]);
      }
    }
  }

 private:
  template <int own>
  static constexpr int kGroup = own % 4 == 0 ? 4 : 2;

  __device__ static int rowThread() { return static_cast<int>(threadIdx.x) / kSide; }
  __device__ static int columnThread() { return static_cast<int>(threadIdx.x) % kSide; }
  template <int own>
  __device__ __forceinline__ static int place(int i, int thread) {
    return i / kGroup<own> * kSide * kGroup<own> + thread * kGroup<own> + i % kGroup<own>;
  }
  template <int own>
  __device__ __forceinline__ static void load(const float* from, int thread, float (&x)[own]) {
#pragma unroll
    for (int i = 0; i < own; i += kGroup<own>) {
      const auto group = *reinterpret_cast<const Pack<float, kGroup<own>>*>(from + place<own>(i, thread));
#pragma unroll
      for (int k = 0; k < kGroup<own>; ++k) x[i + k] = group.elements[k];
    }
  }

  float sums_[kOwnRows][kOwnColumns];
};

/// Eight warps, beside each other and one below the other, with fragments of 16 × 8 each.
template <class T, int rows, int columns>
class TileSums<Tensor<T>, rows, columns> {
  using Engine = Tensor<T>;
  static constexpr int kDown = rows >= 192 || columns % 64 != 0 ? 4 : 2, kBeside = kProductWarps / kDown;
  static constexpr int kOwnRows = rows / kDown / 16, kOwnColumns = columns / kBeside / 8;
  static_assert(kOwnRows * kDown * 16 == rows && kOwnColumns * kBeside * 8 == columns);
  static_assert(kOwnColumns % 2 == 0);

 public:
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kOwnRows * kOwnColumns * 4; ++i) {
      sums_[i / 4 / kOwnColumns][i / 4 % kOwnColumns][i % 4] = 0;
    }
  }
  /// As that of Simt. The product of two lower halves is less than what either has lost.
  template <Rows rowsOfA, Rows rowsOfB, int halvesOfA = 1, int halvesOfB = 1>
  __device__ __forceinline__ void multiply(const T* a, const T* b) {
    constexpr int kStep = 16;  // of the depth, in one instruction
    constexpr int kElementsOfA = Engine::template Tile<rowsOfA, rows>::kElements;
    constexpr int kElementsOfB = Engine::template Tile<rowsOfB, columns>::kElements;
#pragma unroll
    for (int d = 0; d < Engine::kDepth; d += kStep) {
#pragma unroll
      for (int halfOfB = 0; halfOfB < halvesOfB; ++halfOfB) {
        std::uint32_t right[kOwnColumns / 2][4];
#pragma unroll
        for (int j = 0; j < kOwnColumns / 2; ++j) {
          loadRight<rowsOfB>(right[j], b + halfOfB * kElementsOfB, firstColumn() + j * 16, d);
        }
#pragma unroll
        for (int halfOfA = 0; halfOfA < (halfOfB == 0 ? halvesOfA : 1); ++halfOfA) {
#pragma unroll
          for (int i = 0; i < kOwnRows; ++i) {
            std::uint32_t left[4];
            loadLeft<rowsOfA>(left, a + halfOfA * kElementsOfA, firstRow() + i * 16, d);
#pragma unroll
            for (int j = 0; j < kOwnColumns; ++j) {
              const std::uint32_t fragment[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
              multiplyAdd<T>(sums_[i][j], left, fragment);
            }
          }
        }
      }
    }
  }
  /// As that of Simt.
  template <class Body>
  __device__ __forceinline__ void eachPair(const Body& body) const {
    const int g = lane() / 4, t = lane() % 4;
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < kOwnColumns; ++j) {
        const int row = firstRow() + i * 16 + g, column = firstColumn() + j * 8 + 2 * t;
        body(row, column, sums_[i][j][0], sums_[i][j][1]);
        body(row + 8, column, sums_[i][j][2], sums_[i][j][3]);
      }
    }
  }

 private:
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % kWarpLanes; }
  __device__ static int firstRow() {
    return static_cast<int>(threadIdx.x) / kWarpLanes / kBeside * kOwnRows * 16;
  }
  __device__ static int firstColumn() {
    return static_cast<int>(threadIdx.x) / kWarpLanes % kBeside * kOwnColumns * 8;
  }
  /// 16 × 16 from rows (outer) and depth: above, below, and the same further along the depth.
  template <Rows rowsOfA>
  __device__ __forceinline__ static void loadLeft(std::uint32_t (&fragments)[4], const T* a, int row,
                                                  int depth) {
    constexpr int kStride = Engine::template Tile<rowsOfA, rows>::kStride;
    const int matrix = lane() / 8, r = lane() % 8;
    if constexpr (rowsOfA == Rows::alongDepth) {
      loadMatrices(fragments, a + (row + matrix % 2 * 8 + r) * kStride + depth + matrix / 2 * 8);
    } else {
      loadTransposedMatrices(fragments, a + (depth + matrix / 2 * 8 + r) * kStride + row + matrix % 2 * 8);
    }
  }
  /// Of two fragments beside each other, each: near and far along the depth.
  template <Rows rowsOfB>
  __device__ __forceinline__ static void loadRight(std::uint32_t (&fragments)[4], const T* b, int column,
                                                   int depth) {
    constexpr int kStride = Engine::template Tile<rowsOfB, columns>::kStride;
    const int matrix = lane() / 8, r = lane() % 8;
    if constexpr (rowsOfB == Rows::alongDepth) {
      loadMatrices(fragments, b + (column + matrix / 2 * 8 + r) * kStride + depth + matrix % 2 * 8);
    } else {
      loadTransposedMatrices(fragments, b + (depth + matrix % 2 * 8 + r) * kStride + column + matrix / 2 * 8);
    }
  }

  float sums_[kOwnRows][kOwnColumns][4];
};

/// What a block needs of shared memory for a product of two operands.
template <class CopyOfA, class CopyOfB>
struct ProductMemory {
  typename CopyOfA::Memory a;
  typename CopyOfB::Memory b;
};

}  // namespace ocrnet::cuda

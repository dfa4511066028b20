#pragma once

// The filter's gradient as a product of matrices: its rows are dy's channels, its columns the channels of all
// taps of x, its depth the pixels of dy. Both operands have the pixels of a step as rows, dy's as they are
// and x's moved by the column's tap. Pixels are shared out over blocks, whose sums are added in order.

#include "core/integers.h"
#include "cuda/conv/copy-unit.h"
#include "cuda/conv/pipeline.h"
#include "cuda/conv/problem.h"
#include "cuda/conv/products.h"
#include "cuda/device/async-copy.h"
#include "cuda/device/divisor.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

struct FilterGradientGemm {
  Source x, dy;
  float* sums;  // (parts, groups, outputs, taps, inputs)
  Axis vertical, horizontal;
  Divisor rows, columns;              // of dy
  int inputs, paddedInputs, outputs;  // of a group; as the product's columns have them; of a group
  int groups, pixels, pixelsOfPart;
};

/// Where a thread's copies into a wide operand of `width` elements go: always the same columns, rows in turn.
template <class T, class Tile, int width, int unit>
struct WideCopies {
  static constexpr int kElements = unit / static_cast<int>(sizeof(T)), kUnits = width / kElements;
  static constexpr int kRowsAtOnce = Tile::threads / kUnits;
  static constexpr int kTimes = kStepDepth<T> / kRowsAtOnce;
  static_assert(kTimes * kRowsAtOnce == kStepDepth<T>, "a step is whole copies of all threads");

  int firstRow = static_cast<int>(threadIdx.x) / kUnits;
  int byte = static_cast<int>(threadIdx.x) % kUnits * unit;

  __device__ int firstElement() const { return byte / static_cast<int>(sizeof(T)); }
  __device__ __forceinline__ int row(int time) const { return firstRow + time * kRowsAtOnce; }
  __device__ __forceinline__ std::byte* place(std::byte* operand, int time) const {
    return operand + widePlace<T, width>(row(time), byte / kChunkBytes) + byte % kChunkBytes;
  }
};

template <class Products, class Tile, int unit, Mistake mistake = Mistake::none>
__global__ void __launch_bounds__(Tile::threads, atOnce(Tile::blocksAtOnce))
    filterGradientGemmKernel(FilterGradientGemm f) {
  using T = typename Products::Element;
  using DyCopies = WideCopies<T, Tile, Tile::rows, unit>;
  using XCopies = WideCopies<T, Tile, Tile::columns, unit>;
  constexpr int kElementBytes = sizeof(T);
  auto& memory = sharedMemory<TileMemory<Tile>>();
  const int group = static_cast<int>(blockIdx.y), taps = f.vertical.taps * f.horizontal.taps;
  const int tilesAcross = divideUp(taps * f.paddedInputs, Tile::columns), tile = static_cast<int>(blockIdx.x);
  const int firstRow = tile / tilesAcross * Tile::rows, firstColumn = tile % tilesAcross * Tile::columns;
  const int firstPixel = static_cast<int>(blockIdx.z) * f.pixelsOfPart;
  const int end = min(firstPixel + f.pixelsOfPart, f.pixels + (mistake == Mistake::boundOfRows));
  const int steps = end > firstPixel ? divideUp(end - firstPixel, kStepDepth<T>) : 0;

  const DyCopies toDy;
  const int output = firstRow + toDy.firstElement();
  const int outputs = min(max(f.outputs - output, 0), DyCopies::kElements);
  const T* const dy = f.dy.as<T>() + static_cast<std::int64_t>(group) * f.outputs + output;

  const XCopies toX;
  const int column = firstColumn + toX.firstElement();
  const int tap = column / f.paddedInputs, input = column % f.paddedInputs;
  const int inputs = tap < taps ? min(max(f.inputs - input, 0), XCopies::kElements) : 0;
  const int down = tap / f.horizontal.taps * f.vertical.step + f.vertical.offset;
  const int right = tap % f.horizontal.taps * f.horizontal.step + f.horizontal.offset;
  const T* const x = f.x.as<T>() + static_cast<std::int64_t>(group) * f.inputs + input;

  Steps<Tile>& stages = memory.steps;
  const auto copyStep = [&](int step, int stage) {
    const int stepPixel = firstPixel + step * kStepDepth<T>;
    std::byte* const a = stages.a[stage];
#pragma unroll
    for (int time = 0; time < DyCopies::kTimes; ++time) {
      const int pixel = stepPixel + toDy.row(time);
      const bool there = outputs > 0 && pixel < end;
      const T* const from = there ? dy + pixel * f.dy.stride : f.dy.as<T>();
      copyUnit<unit>(toDy.place(a, time), from, there ? outputs * kElementBytes : 0);
    }
    std::byte* const b = stages.b[stage];
#pragma unroll
    for (int time = 0; time < XCopies::kTimes; ++time) {
      const int pixel = stepPixel + toX.row(time);
      std::int64_t dyColumn = pixel, dyRow = f.columns.split(dyColumn);
      const auto image = static_cast<int>(f.rows.split(dyRow));
      const int y = static_cast<int>(dyRow) * f.vertical.multiplier + down;
      const int left = static_cast<int>(dyColumn) * f.horizontal.multiplier + right;
      const bool there =
          inputs > 0 && pixel < end && inside(y, f.vertical.sources) && inside(left, f.horizontal.sources);
      const int source = (image * f.vertical.sources + y) * f.horizontal.sources + left;
      const T* const from = there ? x + source * f.x.stride : f.x.as<T>();
      copyUnit<unit>(toX.place(b, time), from, there ? inputs * kElementBytes : 0);
    }
  };
  typename Products::template Sums<Tile> sums;
  runSteps<mistake>(steps, copyStep, [&](int stage) { sums.addWide(stages.a[stage], stages.b[stage]); });

  const std::int64_t elements = static_cast<std::int64_t>(f.groups) * f.outputs * taps * f.inputs;
  float* const result =
      f.sums + blockIdx.z * elements + static_cast<std::int64_t>(group) * f.outputs * taps * f.inputs;
  for (int first = 0; first < Tile::rows; first += kStagedRows) {
    __syncthreads();
    sums.stageWide(first, memory.sums);
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kStagedRows * Tile::columns; i += Tile::threads) {
      const int row = i / Tile::columns, n = firstColumn + i % Tile::columns;
      const int resultRow = firstRow + first + row, resultTap = n / f.paddedInputs,
                channel = n % f.paddedInputs;
      const bool there = resultRow < f.outputs + (mistake == Mistake::boundOfColumns) && resultTap < taps &&
                         channel < f.inputs;
      if (!there) continue;
      result[(static_cast<std::int64_t>(resultRow) * taps + resultTap) * f.inputs + channel] =
          memory.sums.rows[row][i % Tile::columns];
    }
  }
}

/// Starts a kernel that copies units of 16, 4 or (16-bit numbers) 2 bytes.
using LaunchFilterGradientGemm = void (*)(const FilterGradientGemm&, bool large, int unit, int parts,
                                          cudaStream_t);

/// Of large tiles there are kernels for units of 16 bytes alone, and those of small ones take the others.
template <class Products>
void launchFilterGradientGemm(const FilterGradientGemm& gemm, bool large, int unit, int parts,
                              cudaStream_t stream);

/// A step that launches, and then adds the parts.
std::unique_ptr<PreparedStep> prepareFilterGradientGemm(const Problem& problem, const Device& device,
                                                        bool large, LaunchFilterGradientGemm launch);

}  // namespace ocrnet::cuda::conv

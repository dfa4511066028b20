// The filter's gradient as what it is, dFilter[o][tap][c] = Σ over pixels of dy[pixel][o] · x[its source][c]:
// the lanes of a block have elements of the filter, its rows of lanes every eighth pixel. Pixels are shared
// out over blocks, whose sums a second kernel adds in order.

#include <algorithm>

#include "core/integers.h"
#include "cuda/conv/algorithm.h"
#include "cuda/conv/sum-partials.h"
#include "cuda/device/element.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

namespace {

constexpr int kElements = 32, kPixelLanes = 8;

struct FilterSums {
  Source x, dy;
  float* sums;  // (parts, filter elements)
  Axis vertical, horizontal;
  int groups, inputs, outputs;  // of a group
  std::int64_t pixels, pixelsOfPart, elements;
};

struct SumsOfRows {
  float sums[kPixelLanes][kElements];
};

/// An element of the filter; neighbours are neighbouring channels, of depthwise filters too.
struct Element {
  int output, tap, input;  // input: of the group

  __device__ Element(const FilterSums& f, std::int64_t i) {
    const int taps = f.vertical.taps * f.horizontal.taps, channels = f.groups * f.outputs;
    if (f.inputs == 1) {
      *this = {static_cast<int>(i % channels), static_cast<int>(i / channels), 0};
    } else {
      const auto rest = static_cast<int>(i / f.inputs);
      *this = {rest / taps, rest % taps, static_cast<int>(i % f.inputs)};
    }
  }

 private:
  __device__ Element(int output, int tap, int input) : output(output), tap(tap), input(input) {}
};

template <class T>
__global__ void __launch_bounds__(kElements* kPixelLanes) filterSumsKernel(FilterSums f) {
  auto& shared = sharedMemory<SumsOfRows>();
  const int lane = static_cast<int>(threadIdx.x) % kElements, row = static_cast<int>(threadIdx.x) / kElements;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kElements + lane;
  const bool there = i < f.elements;
  const Element element(f, there ? i : 0);
  const int u = element.tap / f.horizontal.taps, v = element.tap % f.horizontal.taps;
  const T* const x =
      f.x.as<T>() + static_cast<std::int64_t>(element.output / f.outputs) * f.inputs + element.input;
  const T* const dy = f.dy.as<T>() + element.output;
  const std::int64_t first = blockIdx.y * f.pixelsOfPart;
  const std::int64_t end = there ? min(first + f.pixelsOfPart, f.pixels) : 0;

  float sum = 0;
  for (std::int64_t pixel = first + row; pixel < end; pixel += kPixelLanes) {
    const int column = static_cast<int>(pixel % f.horizontal.results);
    const std::int64_t line = pixel / f.horizontal.results;
    const int sourceRow = static_cast<int>(line % f.vertical.results) * f.vertical.multiplier +
                          f.vertical.offset + u * f.vertical.step;
    const int sourceColumn = column * f.horizontal.multiplier + f.horizontal.offset + v * f.horizontal.step;
    if (!inside(sourceRow, f.vertical.sources) || !inside(sourceColumn, f.horizontal.sources)) continue;
    const std::int64_t at =
        (line / f.vertical.results * f.vertical.sources + sourceRow) * f.horizontal.sources + sourceColumn;
    sum += toFloat32(x[at * f.x.stride]) * toFloat32(dy[pixel * f.dy.stride]);
  }
  shared.sums[row][lane] = sum;
  __syncthreads();
  if (row > 0 || !there) return;
  for (int other = 1; other < kPixelLanes; ++other) sum += shared.sums[other][lane];
  const int taps = f.vertical.taps * f.horizontal.taps;
  const std::int64_t place =
      (static_cast<std::int64_t>(element.output) * taps + element.tap) * f.inputs + element.input;
  f.sums[blockIdx.y * f.elements + place] = sum;
}

/// Enough blocks to keep the GPU busy, of at least some hundred pixels.
std::int64_t partsOf(const Problem& problem, const Device& device) {
  constexpr std::int64_t kBlocksOfMultiprocessor = 8, kFewestPixels = 512, kMostParts = 256;
  const std::int64_t wanted = divideUp(kBlocksOfMultiprocessor * device.multiprocessors,
                                       divideUp(problem.filterElements(), kElements));
  return std::clamp<std::int64_t>(wanted, 1,
                                  std::min(kMostParts, divideUp(problem.resultPixels(), kFewestPixels)));
}

bool supportsSums(const Problem&, const Device&) { return true; }

Estimate estimateSums(const Problem& problem, const Device& device) {
  constexpr double kProductsPerMicrosecond = 4000;  // of one multiprocessor: two loads for each
  return {"direct", problem.products() / (kProductsPerMicrosecond * device.multiprocessors),
          partialSumsBytes(problem, partsOf(problem, device))};
}

std::unique_ptr<PreparedStep> prepareSums(const Problem& problem, const StepDescription&,
                                          const Device& device, Parameters&) {
  const std::int64_t parts = partsOf(problem, device);
  return preparedStep([=](const StepMemory& memory, cudaStream_t stream) {
    float* const sums = parts > 1 ? memory.scratchAs<float>() : memory.out<float>(0);
    const FilterSums f{.x = {memory.inputs[0], problem.sourceStride},
                       .dy = {memory.inputs[1], problem.resultStride},
                       .sums = sums,
                       .vertical = problem.vertical,
                       .horizontal = problem.horizontal,
                       .groups = problem.groups,
                       .inputs = problem.sourceChannels,
                       .outputs = problem.resultChannels,
                       .pixels = problem.resultPixels(),
                       .pixelsOfPart = divideUp(problem.resultPixels(), parts),
                       .elements = problem.filterElements()};
    const LaunchShape shape{dim3(static_cast<unsigned>(divideUp(f.elements, std::int64_t{kElements})),
                                 static_cast<unsigned>(parts)),
                            kElements * kPixelLanes, sizeof(SumsOfRows)};
    withFloatType(problem.sourceType,
                  [&](auto element) { launch<filterSumsKernel<decltype(element)>>(shape, stream, f); });
    if (parts > 1) sumPartials(sums, parts, f.elements, memory.out<float>(0), stream);
  });
}

}  // namespace

const Algorithm directFilterGradient{supportsSums, estimateSums, prepareSums};

}  // namespace ocrnet::cuda::conv

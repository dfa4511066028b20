// Two passes over the pixels: the first finds each block's maximum of a class and its sum of exp(logit −
// maximum), the second writes, when those of all blocks are joined. Bound by memory and, for few classes, by
// the three launches: 16384 pixels of 19 classes are 2 MB, half a microsecond of an H200's bandwidth.

#include <cmath>

#include "cuda/device/element.h"
#include "cuda/device/shared.h"
#include "cuda/ops/region-tiles.h"

namespace ocrnet::cuda {

namespace {

struct Logits {
  Source data;
  float scale;

  template <class T>
  __device__ __forceinline__ float at(std::int64_t pixel, std::int64_t c) const {
    return scale * toFloat32(data.as<T>()[pixel * data.stride + c]);
  }
};

/// What to subtract from logits below a maximum: of −∞ alone, e^(−∞ − 0) is the 0 that they contribute.
__device__ __forceinline__ float shiftOf(float maximum) { return maximum == -INFINITY ? 0 : maximum; }

struct SharedMaxima {
  float maxima[RegionTiles::kThreads], sums[RegionTiles::kThreads];
};

/// maxima, sums: (blocks, classes).
template <class T>
__global__ void __launch_bounds__(RegionTiles::kThreads)
    maximaKernel(RegionTiles tiles, Logits logits, float* maxima, float* sums) {
  auto& shared = sharedMemory<SharedMaxima>();
  const std::int64_t c = tiles.ownClass();
  const bool inside = tiles.inside();
  float maximum = -INFINITY, sum = 0;
  if (inside) {
    tiles.each([&](std::int64_t pixel) { maximum = fmaxf(maximum, logits.at<T>(pixel, c)); });
    const float shift = shiftOf(maximum);
    tiles.each([&](std::int64_t pixel) { sum += expf(logits.at<T>(pixel, c) - shift); });
  }
  shared.maxima[threadIdx.x] = maximum;
  shared.sums[threadIdx.x] = sum;
  __syncthreads();
  if (!inside || tiles.row() != 0) return;
  const int ends = tiles.rows() * tiles.tileClasses();
  const int first = static_cast<int>(threadIdx.x), step = tiles.tileClasses();
  for (int i = first; i < ends; i += step) maximum = fmaxf(maximum, shared.maxima[i]);
  const float shift = shiftOf(maximum);
  sum = 0;
  for (int i = first; i < ends; i += step) sum += shared.sums[i] * expf(shared.maxima[i] - shift);
  maxima[tiles.partIndex()] = maximum;
  sums[tiles.partIndex()] = sum;
}

/// Of each class of each image: its maximum, and what exp(logit − maximum) is to be multiplied by.
struct Normalisers {
  float *maximum, *factor;  // (images, classes)
};

__global__ void __launch_bounds__(RegionTiles::kThreads)
    normalisersKernel(RegionTiles tiles, const float* maxima, const float* sums, Normalisers normalisers) {
  const RegionJoin join(tiles);
  if (join.index >= tiles.images * tiles.classes) return;  // the whole warp
  float maximum = -INFINITY;
  join.each(tiles, [&](std::int64_t part) { maximum = fmaxf(maximum, maxima[part]); });
  maximum = warpMaximum(maximum);
  const float shift = shiftOf(maximum);
  double total = 0;
  join.each(tiles, [&](std::int64_t part) {
    total += static_cast<double>(sums[part]) * static_cast<double>(expf(maxima[part] - shift));
  });
  total = warpSum(total);
  if (threadIdx.x % kWarpLanes != 0) return;
  normalisers.maximum[join.index] = maximum;
  normalisers.factor[join.index] = static_cast<float>(1 / total);
}

template <class T>
__global__ void __launch_bounds__(RegionTiles::kThreads)
    regionsKernel(RegionTiles tiles, Logits logits, Normalisers normalisers, float* regions) {
  if (!tiles.inside()) return;
  const std::int64_t c = tiles.ownClass(), at = tiles.image() * tiles.classes + c;
  const float maximum = normalisers.maximum[at], factor = normalisers.factor[at];
  tiles.each([&](std::int64_t pixel) {
    regions[pixel * tiles.classes + c] = expf(logits.at<T>(pixel, c) - maximum) * factor;
  });
}

/// The scratch: what the blocks found, then the normalisers.
Choice chooseSpatialSoftmax(const StepDescription& step, const Device&) {
  const RegionTiles tiles = RegionTiles::of(*step.input(0));
  return {.scratchBytes = 2 * (tiles.partFloats() + tiles.images * tiles.classes) * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareSpatialSoftmax(const StepDescription& step, const Device& device,
                                                    Parameters&) {
  requireChoice(step, chooseSpatialSoftmax(step, device));
  const TensorInfo& logits = *step.input(0);
  return preparedStep([tiles = RegionTiles::of(logits), type = logits.dataType, stride = logits.pixelStride,
                       scale = step.attributes<SpatialSoftmaxAttributes>().scale](const StepMemory& memory,
                                                                                  cudaStream_t stream) {
    auto* const maxima = memory.scratchAs<float>();
    float* const sums = maxima + tiles.partFloats();
    float* const normalisers = sums + tiles.partFloats();
    const Normalisers of{normalisers, normalisers + tiles.images * tiles.classes};
    const Logits source{{memory.inputs[0], stride}, scale};
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      launch<maximaKernel<T>>(tiles.shape(sizeof(SharedMaxima)), stream, tiles, source, maxima, sums);
      launch<normalisersKernel>(tiles.joinShape(), stream, tiles, maxima, sums, of);
      launch<regionsKernel<T>>(tiles.shape(), stream, tiles, source, of, memory.out<float>(0));
    });
  });
}

}  // namespace

const Op spatialSoftmaxOp{.choose = chooseSpatialSoftmax, .prepare = prepareSpatialSoftmax};

}  // namespace ocrnet::cuda

// Two passes over the pixels: the sums of regions · dRegions, joined over all blocks, then what follows from
// them.

#include "cuda/device/shared.h"
#include "cuda/ops/region-tiles.h"

namespace ocrnet::cuda {

namespace {

struct SharedSums {
  float sums[RegionTiles::kThreads];
};

/// sums: (blocks, classes).
__global__ void __launch_bounds__(RegionTiles::kThreads)
    sumsKernel(RegionTiles tiles, const float* regions, const float* dRegions, float* sums) {
  auto& shared = sharedMemory<SharedSums>();
  const std::int64_t c = tiles.ownClass();
  const bool inside = tiles.inside();
  float sum = 0;
  if (inside) {
    tiles.each([&](std::int64_t pixel) {
      const std::int64_t i = pixel * tiles.classes + c;
      sum = fmaf(regions[i], dRegions[i], sum);
    });
  }
  shared.sums[threadIdx.x] = sum;
  __syncthreads();
  if (!inside || tiles.row() != 0) return;
  for (int row = 1; row < tiles.rows(); ++row) sum += shared.sums[row * tiles.tileClasses() + threadIdx.x];
  sums[tiles.partIndex()] = sum;
}

/// totals: (images, classes).
__global__ void __launch_bounds__(RegionTiles::kThreads)
    totalsKernel(RegionTiles tiles, const float* sums, float* totals) {
  const RegionJoin join(tiles);
  if (join.index >= tiles.images * tiles.classes) return;  // the whole warp
  double total = 0;
  join.each(tiles, [&](std::int64_t part) { total += static_cast<double>(sums[part]); });
  total = warpSum(total);
  if (threadIdx.x % kWarpLanes == 0) totals[join.index] = static_cast<float>(total);
}

/// dLogits may be dRegions.
__global__ void __launch_bounds__(RegionTiles::kThreads)
    logitsKernel(RegionTiles tiles, float scale, const float* regions, const float* dRegions,
                 const float* totals, float* dLogits) {
  if (!tiles.inside()) return;
  const std::int64_t c = tiles.ownClass();
  const float total = totals[tiles.image() * tiles.classes + c];
  tiles.each([&](std::int64_t pixel) {
    const std::int64_t i = pixel * tiles.classes + c;
    dLogits[i] = scale * (regions[i] * (dRegions[i] - total));
  });
}

Choice chooseSpatialSoftmaxGradient(const StepDescription& step, const Device&) {
  const RegionTiles tiles = RegionTiles::of(*step.input(0));
  return {.scratchBytes = (tiles.partFloats() + tiles.images * tiles.classes) * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareSpatialSoftmaxGradient(const StepDescription& step, const Device& device,
                                                            Parameters&) {
  requireChoice(step, chooseSpatialSoftmaxGradient(step, device));
  return preparedStep([tiles = RegionTiles::of(*step.input(0)),
                       scale = step.attributes<SpatialSoftmaxGradientAttributes>().scale](
                          const StepMemory& memory, cudaStream_t stream) {
    const auto *const regions = memory.in<float>(0), *const dRegions = memory.in<float>(1);
    auto* const sums = memory.scratchAs<float>();
    float* const totals = sums + tiles.partFloats();
    launch<sumsKernel>(tiles.shape(sizeof(SharedSums)), stream, tiles, regions, dRegions, sums);
    launch<totalsKernel>(tiles.joinShape(), stream, tiles, sums, totals);
    launch<logitsKernel>(tiles.shape(), stream, tiles, scale, regions, dRegions, totals,
                         memory.out<float>(0));
  });
}

}  // namespace

const Op spatialSoftmaxGradientOp{.choose = chooseSpatialSoftmaxGradient,
                                  .prepare = prepareSpatialSoftmaxGradient};

}  // namespace ocrnet::cuda

// The transpose of the resize, separable as it is: what the rows of dy got from a row of x is summed first,
// at dy's width and in float32, then what the columns got. Each sum is gathered by one thread, in a fixed
// order.

#include "cuda/device/element.h"
#include "cuda/map-packs.h"
#include "cuda/ops/share-tables.h"

namespace ocrnet::cuda {

namespace {

/// sum += weight · x for each position that the share names; `step` elements lie between two positions.
template <int count, class T>
__device__ __forceinline__ void addShare(const Shares& axis, std::int64_t position, const T* x,
                                         std::int64_t step, float (&sum)[count]) {
  const BilinearShare share = axis.shares[position];
#pragma unroll 4
  for (std::int32_t i = share.first; i < share.end; ++i) {
    const float weight = axis.weights[share.weight + i - share.first];
    float terms[count];
    loadPack<count>(x + i * step, terms);
#pragma unroll
    for (int k = 0; k < count; ++k) sum[k] = fmaf(weight, terms[k], sum[k]);
  }
}

/// sums (N, height, W', C) of dy (N, H', W', C).
template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    sumRowsKernel(Shares rows, Source dy, std::int64_t dyHeight, float* sums, MapPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(i);
  const std::int64_t width = packs.columns.value();
  float sum[count] = {};
  addShare(rows, row, dy.as<T>() + (image * dyHeight * width + column) * dy.stride + pack * count,
           width * dy.stride, sum);
  storePack<count>(sums + i * count, sum);
}

/// dx (N, height, width, C) of sums (N, height, W', C).
template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    sumColumnsKernel(Shares columns, const float* sums, std::int64_t dyWidth, Target dx, MapPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(i);
  const std::int64_t channels = packs.packs.value() * count;
  float sum[count] = {};
  addShare(columns, column,
           sums + (pixel - column) / packs.columns.value() * dyWidth * channels + pack * count, channels,
           sum);
  storePack<count>(dx.as<T>() + pixel * dx.stride + pack * count, sum);
}

Choice chooseResizeBilinearGradient(const StepDescription& step, const Device&) {
  const TensorInfo &dy = *step.input(0), &dx = *step.output(0);
  return {.scratchBytes = dx.shape[0] * dx.shape[1] * dy.shape[2] * dx.channels() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareResizeBilinearGradient(const StepDescription& step, const Device& device,
                                                            Parameters& parameters) {
  requireChoice(step, chooseResizeBilinearGradient(step, device));
  const bool alignCorners = step.attributes<ResizeBilinearGradientAttributes>().alignCorners;
  const TensorInfo &dy = *step.input(0), &dx = *step.output(0);
  return preparedStep([dy, dx, rows = ShareTables(parameters, dx.shape[1], dy.shape[1], alignCorners),
                       columns = ShareTables(parameters, dx.shape[2], dy.shape[2], alignCorners)](
                          const StepMemory& memory, cudaStream_t stream) {
    const Source source{memory.inputs[0], dy.pixelStride};
    const Target target{memory.outputs[0], dx.pixelStride};
    auto* const sums = memory.scratchAs<float>();
    withFloatType(dx.dataType, [&](auto element) {
      using T = decltype(element);
      withPacks<4>(dx.channels(), sizeof(float), {source, target.asSource()}, [&](auto count) {
        const std::int64_t packs = dx.channels() / count;
        const MapPacks summed(dx.shape[0], dx.shape[1], dy.shape[2], packs), written(dx, count);
        launch<sumRowsKernel<T, count>>(summed.shape(), stream, rows.get(), source, dy.shape[1], sums,
                                        summed);
        launch<sumColumnsKernel<T, count>>(written.shape(), stream, columns.get(), sums, dy.shape[2], target,
                                           written);
      });
    });
  });
}

}  // namespace

const Op resizeBilinearGradientOp{.choose = chooseResizeBilinearGradient,
                                  .prepare = prepareResizeBilinearGradient};

}  // namespace ocrnet::cuda

#include "cuda/device/element.h"
#include "cuda/ops/total.h"

namespace ocrnet::cuda {

namespace {

/// Enough for packs of one element, which there are where strides are odd.
Choice chooseDotProduct(const StepDescription& step, const Device&) {
  return {.scratchBytes = totalBlocks(step.input(0)->elements()) * sizeof(double)};
}

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    dotProductKernel(Source a, Source b, PixelPacks packs, double* sums) {
  sumBlock(packs.count(), sums, [=](std::int64_t i) {
    const auto [pixel, pack] = packs.place(i);
    float x[count], y[count];
    loadPack<count>(a.as<T>() + pixel * a.stride + pack * count, x);
    loadPack<count>(b.as<T>() + pixel * b.stride + pack * count, y);
    double sum = 0;
#pragma unroll
    for (int k = 0; k < count; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(y[k]);
    return sum;
  });
}

__global__ void __launch_bounds__(kElementThreads)
    totalKernel(const double* sums, std::int64_t count, float* total) {
  const double sum = totalOf(sums, count);
  if (threadIdx.x == 0) *total = static_cast<float>(sum);
}

std::unique_ptr<PreparedStep> prepareDotProduct(const StepDescription& step, const Device& device,
                                                Parameters&) {
  requireChoice(step, chooseDotProduct(step, device));
  const TensorInfo &a = *step.input(0), &b = *step.input(1);
  return preparedStep([type = a.dataType, pixels = a.pixels(), channels = a.channels(),
                       aStride = a.pixelStride,
                       bStride = b.pixelStride](const StepMemory& memory, cudaStream_t stream) {
    const Source a{memory.inputs[0], aStride}, b{memory.inputs[1], bStride};
    auto* const sums = memory.scratchAs<double>();
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(channels, sizeof(T), {a, b}, [&](auto count) {
        const PixelPacks packs{pixels, channels / count};
        launch<dotProductKernel<T, count>>(totalShape(packs.count()), stream, a, b, packs, sums);
        launch<totalKernel>({1, kElementThreads, sizeof(TotalMemory)}, stream, sums,
                            totalBlocks(packs.count()), memory.out<float>(0));
      });
    });
  });
}

}  // namespace

const Op dotProductOp{.choose = chooseDotProduct, .prepare = prepareDotProduct};

}  // namespace ocrnet::cuda

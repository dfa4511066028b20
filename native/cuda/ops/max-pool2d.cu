#include "cuda/device/element.h"
#include "cuda/ops/window.h"

namespace ocrnet::cuda {

namespace {

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    maxPool2dKernel(PoolingWindows w, Source x, Target y, MapPacks packs) {
  const std::int64_t index = packIndex();
  if (index >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(index);
  const auto rows = w.axis(row, w.height), columns = w.axis(column, w.width);
  float most[count];
#pragma unroll
  for (int k = 0; k < count; ++k) most[k] = -INFINITY;
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    for (std::int64_t j = columns.first; j < columns.end; ++j) {
      float values[count];
      loadPack<count>(x.as<T>() + ((image * w.height + i) * w.width + j) * x.stride + pack * count, values);
#pragma unroll
      for (int k = 0; k < count; ++k) most[k] = isBetter(values[k], most[k]) ? values[k] : most[k];
    }
  }
  storePack<count>(y.as<T>() + pixel * y.stride + pack * count, most);
}

std::unique_ptr<PreparedStep> prepareMaxPool2d(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const auto& a = step.attributes<MaxPool2dAttributes>();
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  return preparedStep([x, y, windows = PoolingWindows{x.shape[1], x.shape[2], a.kernel, a.stride, a.padding}](
                          const StepMemory& memory, cudaStream_t stream) {
    const Source source{memory.inputs[0], x.pixelStride};
    const Target target{memory.outputs[0], y.pixelStride};
    withFloatType(x.dataType, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(x.channels(), sizeof(T), {source, target.asSource()}, [&](auto count) {
        const MapPacks packs(y, count);
        launch<maxPool2dKernel<T, count>>(packs.shape(), stream, windows, source, target, packs);
      });
    });
  });
}

}  // namespace

const Op maxPool2dOp{.choose = withoutScratch, .prepare = prepareMaxPool2d};

}  // namespace ocrnet::cuda

#include "cuda/device/activation.h"
#include "cuda/device/element.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

struct ActivationGradient {
  Source dy, y;
  Target dx;
  Epilogue epilogue;
};

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    activateGradientKernel(ActivationGradient a, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const auto [pixel, pack] = packs.place(i);
  const std::int64_t channel = pack * count;
  float dy[count], y[count];
  loadPack<count>(a.dy.as<T>() + pixel * a.dy.stride + channel, dy);
  loadPack<count>(a.y.as<T>() + pixel * a.y.stride + channel, y);
#pragma unroll
  for (int k = 0; k < count; ++k) dy[k] = activationGradient(dy[k], y[k], a.epilogue);
  storePack<count>(a.dx.as<T>() + pixel * a.dx.stride + channel, dy);
}

std::unique_ptr<PreparedStep> prepareActivateGradient(const StepDescription& step, const Device&,
                                                      Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo& dy = *step.input(0);
  const auto& [activation, negativeSlope] = step.attributes<ActivateGradientAttributes>();
  return preparedStep([epilogue = Epilogue{activation, negativeSlope}, type = dy.dataType,
                       pixels = dy.pixels(), channels = dy.channels(), dyStride = dy.pixelStride,
                       yStride = step.input(1)->pixelStride, dxStride = step.output(0)->pixelStride](
                          const StepMemory& memory, cudaStream_t stream) {
    const ActivationGradient a{
        {memory.inputs[0], dyStride}, {memory.inputs[1], yStride}, {memory.outputs[0], dxStride}, epilogue};
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(channels, sizeof(T), {a.dy, a.y, a.dx.asSource()}, [&](auto count) {
        const PixelPacks packs{pixels, channels / count};
        launch<activateGradientKernel<T, count>>(packs.shape(), stream, a, packs);
      });
    });
  });
}

}  // namespace

const Op activateGradientOp{.choose = withoutScratch, .prepare = prepareActivateGradient};

}  // namespace ocrnet::cuda

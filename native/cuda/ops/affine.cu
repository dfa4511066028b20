#include "cuda/device/activation.h"
#include "cuda/device/element.h"
#include "cuda/ops/affine.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

struct Affine {
  Source x;
  const float *scale, *shift;  // (channels), or null
  std::int64_t scaleStep;      // 0 where all channels have the first one's scale
  Source residual;             // its data may be null
  Target y;
  Epilogue epilogue;
};

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads) affineKernel(Affine a, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const auto [pixel, pack] = packs.place(i);
  const std::int64_t channel = pack * count;
  float x[count], residual[count];
  loadPack<count>(static_cast<const T*>(a.x.data) + pixel * a.x.stride + channel, x);
  if (a.residual.data) {
    loadPack<count>(static_cast<const T*>(a.residual.data) + pixel * a.residual.stride + channel, residual);
  }
#pragma unroll
  for (int k = 0; k < count; ++k) {
    if (a.scale) x[k] *= a.scale[(channel + k) * a.scaleStep];
    if (a.shift) x[k] += a.shift[channel + k];
    if (a.residual.data) x[k] += residual[k];
    x[k] = activated(x[k], a.epilogue);
  }
  storePack<count>(static_cast<T*>(a.y.data) + pixel * a.y.stride + channel, x);
}

}  // namespace

std::unique_ptr<PreparedStep> prepareAffine(const StepDescription& step, Epilogue epilogue,
                                            AffineInputs inputs) {
  requireChoice(step, Choice{});
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const TensorInfo* const residual = inputs.residual < 0 ? nullptr : step.input(inputs.residual);
  const bool oneScale = inputs.scale >= 0 && step.input(inputs.scale)->elements() == 1;
  return preparedStep(
      [=, type = x.dataType, pixels = x.pixels(), channels = x.channels(), xStride = x.pixelStride,
       yStride = y.pixelStride, scaleStep = std::int64_t{oneScale ? 0 : 1},
       residualStride = residual ? residual->pixelStride : 0](const StepMemory& memory, cudaStream_t stream) {
        const auto in = [&](int input) { return input < 0 ? nullptr : memory.inputs[input]; };
        const Affine a{.x = {memory.inputs[0], xStride},
                       .scale = reinterpret_cast<const float*>(in(inputs.scale)),
                       .shift = reinterpret_cast<const float*>(in(inputs.shift)),
                       .scaleStep = scaleStep,
                       .residual = {in(inputs.residual), residualStride},
                       .y = {memory.outputs[0], yStride},
                       .epilogue = epilogue};
        withFloatType(type, [&](auto element) {
          using T = decltype(element);
          const Source y{a.y.data, a.y.stride};
          withPacks<kPackElements<T>>(channels, sizeof(T), {a.x, a.residual, y}, [&](auto count) {
            const PixelPacks packs{pixels, channels / count};
            launch<affineKernel<T, count>>(packs.shape(), stream, a, packs);
          });
        });
      });
}

}  // namespace ocrnet::cuda

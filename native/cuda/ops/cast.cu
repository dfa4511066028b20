#include "cuda/device/element.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

/// 16 bytes of the wider type.
constexpr int kCastPack = 4;

/// What plans are checked for: not from one type of 16 bits to the other.
template <class From, class To>
inline constexpr bool kCasts =
    std::is_same_v<From, To> || std::is_same_v<From, float> || std::is_same_v<To, float>;

template <class From, class To, int count>
__global__ void __launch_bounds__(kElementThreads) castKernel(Source x, Target y, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const auto [pixel, pack] = packs.place(i);
  float values[count];
  loadPack<count>(x.as<From>() + pixel * x.stride + pack * count, values);
  storePack<count>(y.as<To>() + pixel * y.stride + pack * count, values);
}

std::unique_ptr<PreparedStep> prepareCast(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  return preparedStep([from = x.dataType, to = y.dataType, pixels = x.pixels(), channels = x.channels(),
                       xStride = x.pixelStride,
                       yStride = y.pixelStride](const StepMemory& memory, cudaStream_t stream) {
    const Source source{memory.inputs[0], xStride};
    const Target target{memory.outputs[0], yStride};
    withFloatType(from, [&](auto fromElement) {
      withFloatType(to, [&](auto toElement) {
        using From = decltype(fromElement);
        using To = decltype(toElement);
        if constexpr (kCasts<From, To>) {
          withPacks<kCastPack>(channels, sizeof(float), {source, target.asSource()}, [&](auto count) {
            const PixelPacks packs{pixels, channels / count};
            launch<castKernel<From, To, count>>(packs.shape(), stream, source, target, packs);
          });
        }
      });
    });
  });
}

}  // namespace

const Op castOp{.choose = withoutScratch, .prepare = prepareCast};

}  // namespace ocrnet::cuda

#include "core/dropout-mask.h"
#include "cuda/device/element.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

struct DropoutOperands {
  Source x;
  Target y;
  const std::int32_t* noise;  // read when the kernel runs: a graph is captured once for all runs
  DropoutMask mask;
  Divisor samplePixels;
};

/// A thread draws the factors of its pack itself: some twenty instructions an element, and no memory.
template <class T, int count, Dropped drops>
__global__ void __launch_bounds__(kElementThreads) dropoutKernel(DropoutOperands d, PixelPacks packs) {
  static_assert(count == 1 || count % 4 == 0, "factors are drawn by fours");
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const auto [pixel, pack] = packs.place(i);
  const std::int64_t channel = pack * count;
  std::int64_t place = pixel;
  const std::int64_t sample = d.samplePixels.split(place);
  place = drops == Dropped::channels ? channel : place * (packs.packs * count) + channel;
  float x[count];
  loadPack<count>(d.x.as<T>() + pixel * d.x.stride + channel, x);
  if constexpr (count == 1) {
    const auto words = d.mask.words(d.noise, sample, place / 4);
    // Chosen by comparison: an index that is not known would put the words into memory.
    const std::uint32_t low = place % 2 == 0 ? words[0] : words[1];
    const std::uint32_t high = place % 2 == 0 ? words[2] : words[3];
    x[0] *= d.mask.factor(place % 4 < 2 ? low : high);
  } else {
#pragma unroll
    for (int first = 0; first < count; first += 4) {
      const auto words = d.mask.words(d.noise, sample, (place + first) / 4);
#pragma unroll
      for (int k = 0; k < 4; ++k) x[first + k] *= d.mask.factor(words[k]);
    }
  }
  storePack<count>(d.y.as<T>() + pixel * d.y.stride + channel, x);
}

template <Dropped drops>
void launchDropout(const DropoutOperands& d, DataType type, std::int64_t pixels, std::int64_t channels,
                   cudaStream_t stream) {
  withFloatType(type, [&](auto element) {
    using T = decltype(element);
    withPacks<kPackElements<T>>(channels, sizeof(T), {d.x, d.y.asSource()}, [&](auto count) {
      const PixelPacks packs{pixels, channels / count};
      launch<dropoutKernel<T, count, drops>>(packs.shape(), stream, d, packs);
    });
  });
}

std::unique_ptr<PreparedStep> prepareDropout(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo& x = *step.input(0);
  const auto& a = step.attributes<DropoutAttributes>();
  return preparedStep([drops = a.drops, mask = DropoutMask(a.rate, a.stream), type = x.dataType,
                       pixels = x.pixels(), channels = x.channels(),
                       samplePixels = Divisor(x.pixels() / x.shape[0]), xStride = x.pixelStride,
                       yStride = step.output(0)->pixelStride](const StepMemory& memory, cudaStream_t stream) {
    const DropoutOperands d{{memory.inputs[0], xStride},
                            {memory.outputs[0], yStride},
                            memory.in<std::int32_t>(1),
                            mask,
                            samplePixels};
    if (drops == Dropped::channels)
      return launchDropout<Dropped::channels>(d, type, pixels, channels, stream);
    launchDropout<Dropped::elements>(d, type, pixels, channels, stream);
  });
}

}  // namespace

const Op dropoutOp{.choose = withoutScratch, .prepare = prepareDropout};

}  // namespace ocrnet::cuda

#include "cuda/device/element.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

struct NormalizeImage {
  const std::uint8_t* image;   // (pixels, channels)
  const float *scale, *shift;  // (channels)
  bool reverseChannels;
  Divisor channels;
};

/// A thread has neighbouring elements, whatever pixels they belong to: pixels are of three bytes.
template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    normalizeImageKernel(NormalizeImage n, T* y, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const std::int64_t first = i * count;
  std::int64_t channel = first;
  n.channels.split(channel);
  const std::uint8_t* pixel = n.image + (first - channel);
  float values[count];
#pragma unroll
  for (int k = 0; k < count; ++k) {
    const std::int64_t source = n.reverseChannels ? n.channels.value() - 1 - channel : channel;
    values[k] = fmaf(static_cast<float>(pixel[source]), n.scale[channel], n.shift[channel]);
    if (++channel == n.channels.value()) {
      channel = 0;
      pixel += n.channels.value();
    }
  }
  storePack<count>(y + first, values);
}

std::unique_ptr<PreparedStep> prepareNormalizeImage(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo& image = *step.input(0);
  return preparedStep([reverseChannels = step.attributes<NormalizeImageAttributes>().reverseChannels,
                       channels = image.channels(), elements = image.elements(),
                       type = step.output(0)->dataType](const StepMemory& memory, cudaStream_t stream) {
    const NormalizeImage n{memory.in<std::uint8_t>(0), memory.in<float>(1), memory.in<float>(2),
                           reverseChannels, Divisor(channels)};
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(elements, sizeof(T), {{memory.outputs[0], elements}}, [&](auto count) {
        const PixelPacks packs{1, elements / count};
        launch<normalizeImageKernel<T, count>>(packs.shape(), stream, n, memory.out<T>(0), packs);
      });
    });
  });
}

}  // namespace

const Op normalizeImageOp{.choose = withoutScratch, .prepare = prepareNormalizeImage};

}  // namespace ocrnet::cuda

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareNormalizeImage(const StepDescription& step, const Device& device,
                                                    Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo& image = *step.input(0);
  return preparedStep([reverseChannels = step.attributes<NormalizeImageAttributes>().reverseChannels,
                       channels = image.channels(), pixels = image.pixels(),
                       outputType = step.output(0)->dataType, threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const NormalizeImage normalize{.image = memory.in<std::uint8_t>(0),
                                   .scale = memory.in<float>(1),
                                   .shift = memory.in<float>(2),
                                   .reverseChannels = reverseChannels,
                                   .channels = channels,
                                   .outputType = outputType,
                                   .y = memory.outputs[0]};
    parallel(threads, pixels, pixelGrain(channels),
             [&](Range range, int) { kernels.normalizeImage(normalize, range); });
  });
}

}  // namespace

const Op normalizeImageOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareNormalizeImage,
};

}  // namespace ocrnet::cpu

#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

namespace {

Choice chooseAttendPixelsGradient(const StepDescription& step, const Device& device) {
  requireSums(device);
  return {.scratchBytes = AttentionGradient::scratchBytes(step)};
}

std::unique_ptr<PreparedStep> prepareAttendPixelsGradient(const StepDescription& step, const Device& device,
                                                          Parameters&) {
  requireChoice(step, chooseAttendPixelsGradient(step, device));
  return preparedStep(
      [gradient = AttentionGradient(step, device, step.attributes<AttendPixelsGradientAttributes>().scale),
       queries = imageSets(*step.input(0)),
       keys = imageSets(*step.input(1))](const StepMemory& memory, cudaStream_t stream) {
        AttentionGradient a = gradient;
        a.locate(memory);
        a.enqueueMeans(stream);
        a.enqueue(queries, keys, false, false, stream);
      });
}

}  // namespace

const Op attendPixelsGradientOp{.choose = chooseAttendPixelsGradient, .prepare = prepareAttendPixelsGradient};

}  // namespace ocrnet::cuda

// The gradients of every row's attention to itself, to which those of the columns are added.

#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

namespace {

Choice chooseAttendCrissCrossGradient(const StepDescription& step, const Device& device) {
  requireSums(device);
  return {.scratchBytes = AttentionGradient::scratchBytes(step)};
}

std::unique_ptr<PreparedStep> prepareAttendCrissCrossGradient(const StepDescription& step,
                                                              const Device& device, Parameters&) {
  requireChoice(step, chooseAttendCrissCrossGradient(step, device));
  const TensorInfo& query = *step.input(0);
  return preparedStep(
      [gradient =
           AttentionGradient(step, device, step.attributes<AttendCrissCrossGradientAttributes>().scale),
       rows = rowSets(query), columns = columnSets(query)](const StepMemory& memory, cudaStream_t stream) {
        AttentionGradient a = gradient;
        a.locate(memory);
        a.enqueueMeans(stream);
        a.enqueue(rows, rows, false, false, stream);
        if (columns.length > 1) a.enqueue(columns, columns, true, true, stream);
      });
}

}  // namespace

const Op attendCrissCrossGradientOp{.choose = chooseAttendCrissCrossGradient,
                                    .prepare = prepareAttendCrissCrossGradient};

}  // namespace ocrnet::cuda

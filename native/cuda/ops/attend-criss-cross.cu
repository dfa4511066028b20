// Every row attends to itself; then every column to itself but for the own pixels, going on with the sums
// of the rows as if they were those of its first keys.

#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

namespace {

/// The logSumExp of the rows, which the columns' own overwrites where somebody else still reads it.
Choice chooseAttendCrissCross(const StepDescription& step, const Device& device) {
  requireSums(device);
  return {.scratchBytes = step.input(0)->pixels() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAttendCrissCross(const StepDescription& step, const Device& device,
                                                      Parameters&) {
  requireChoice(step, chooseAttendCrissCross(step, device));
  const TensorInfo& query = *step.input(0);
  return preparedStep(
      [attention = Attention(step, device, step.attributes<AttendCrissCrossAttributes>().scale),
       rows = rowSets(query), columns = columnSets(query),
       output = targetOf(step.output(1), nullptr)](const StepMemory& memory, cudaStream_t stream) {
        Attention a = attention;
        a.locate(memory);
        const Target logSumExp{memory.outputs[1], output.stride};
        if (columns.length == 1) return a.enqueue(rows, rows, {}, logSumExp, false, stream);
        a.enqueue(rows, rows, {}, {memory.scratch, 1}, false, stream);
        a.enqueue(columns, columns, {memory.scratch, 1}, logSumExp, true, stream);
      });
}

}  // namespace

const Op attendCrissCrossOp{.choose = chooseAttendCrissCross, .prepare = prepareAttendCrissCross};

}  // namespace ocrnet::cuda

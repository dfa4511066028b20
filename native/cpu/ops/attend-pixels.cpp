#include <algorithm>

#include "cpu/ops/pixel-attention.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Keys at a time: their rows and values take half of a second-level cache of 1 MB.
std::int64_t keyBlockOf(const StepDescription& step) {
  constexpr std::int64_t kFloats = 128 * 1024, kLeast = 32, kMost = 256;
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  const std::int64_t floats = query.channels() + roundUp(value.channels(), kMostLanes);
  return std::min(value.shape[1] * value.shape[2], std::clamp(kFloats / floats / 16 * 16, kLeast, kMost));
}

AttentionScratch scratchOf(const StepDescription& step) {
  return {step, keyBlockOf(step), step.input(0)->dataType != DataType::float32};
}

Choice chooseAttendPixels(const StepDescription& step, const Device& device) {
  return {.scratchBytes = device.threads * scratchOf(step).floats() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAttendPixels(const StepDescription& step, const Device& device,
                                                  Weights&) {
  requireChoice(step, chooseAttendPixels(step, device));
  const TensorInfo& query = *step.input(0);
  const float scale = step.attributes<AttendPixelsAttributes>().scale;
  return preparedStep([attend = describeAttention(step, scale), scratch = scratchOf(step),
                       batch = query.shape[0], pixels = query.shape[1] * query.shape[2],
                       bytes = bytesPerElement(query.dataType), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AttendPixels a = attend;
    locate(a, memory);
    parallel(threads, batch * pixels, kAttentionGroup, [&](Range range, int thread) {
      AttendPixels mine = a;
      scratch.give(mine, reinterpret_cast<float*>(memory.scratch) + thread * scratch.floats());
      for (std::int64_t first = range.first; first < range.end;) {
        const std::int64_t image = first / pixels, end = std::min(range.end, (image + 1) * pixels);
        mine.key.data = memory.inputs[1] + image * mine.keys * mine.key.stride * bytes;
        mine.value.data = memory.inputs[2] + image * mine.keys * mine.value.stride * bytes;
        kernels.attendPixels(mine, {first, end});
        first = end;
      }
    });
  });
}

}  // namespace

const Op attendPixelsOp{.choose = chooseAttendPixels, .prepare = prepareAttendPixels};

}  // namespace ocrnet::cpu

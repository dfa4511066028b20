#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Keys at a time: their rows and values take half of a second-level cache of 1 MB.
std::int64_t keyBlockOf(std::int64_t keys, std::int64_t depth, std::int64_t channels) {
  constexpr std::int64_t kFloats = 128 * 1024, kLeast = 32, kMost = 256;
  return std::min(keys, std::clamp(kFloats / (depth + channels) / 16 * 16, kLeast, kMost));
}

/// The scratch of one thread, in floats.
struct Layout {
  std::int64_t keyBlock, queries, keyRows, values, weights, sums, state;

  std::int64_t total() const { return queries + keyRows + values + weights + sums + state; }
};

Layout layoutOf(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  const std::int64_t depth = query.channels(), channels = roundUp(value.channels(), kMostLanes),
                     keyBlock = keyBlockOf(value.shape[1] * value.shape[2], depth, channels);
  return {.keyBlock = keyBlock,
          .queries = kAttentionBlock * depth,
          .keyRows = query.dataType == DataType::float32 ? 0 : roundUp(keyBlock * depth, kMostLanes),
          .values = keyBlock * channels,
          .weights = keyBlock * kWeightStride,
          .sums = kAttentionBlock * channels,
          .state = 3 * kAttentionBlock};
}

Choice choose(const StepDescription& step, const Device& device) {
  return {.scratchBytes = device.threads * layoutOf(step).total() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, choose(step, device));
  const TensorInfo &query = *step.input(0), &key = *step.input(1), &value = *step.input(2);
  const TensorInfo &y = *step.output(0), *logSumExp = step.output(1);
  const Layout layout = layoutOf(step);
  const AttendPixels attend{.type = query.dataType,
                            .depth = query.channels(),
                            .channels = value.channels(),
                            .keys = key.shape[1] * key.shape[2],
                            .keyBlock = layout.keyBlock,
                            .scale = step.attributes<AttendPixelsAttributes>().scale,
                            .exceptOwn = false,
                            .query = sourceOf(&query),
                            .key = sourceOf(&key),
                            .value = sourceOf(&value),
                            .y = targetOf(&y),
                            .logSumExp = logSumExp ? targetOf(logSumExp) : Target{},
                            .queries = nullptr,
                            .keyRows = nullptr,
                            .values = nullptr,
                            .weights = nullptr,
                            .sums = nullptr,
                            .state = nullptr};
  return preparedStep([=, batch = query.shape[0], pixels = query.shape[1] * query.shape[2],
                       bytes = bytesPerElement(query.dataType), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    parallel(threads, batch * pixels, kAttentionGroup, [&](Range range, int thread) {
      AttendPixels mine = attend;
      mine.queries = reinterpret_cast<float*>(memory.scratch) + thread * layout.total();
      float* const keyRows = mine.queries + layout.queries;
      if (layout.keyRows > 0) mine.keyRows = keyRows;
      mine.values = keyRows + layout.keyRows;
      mine.weights = mine.values + layout.values;
      mine.sums = mine.weights + layout.weights;
      mine.state = mine.sums + layout.sums;
      mine.query.data = memory.inputs[0];
      mine.y.data = memory.outputs[0];
      mine.logSumExp.data = memory.outputs[1];
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

const Op attendPixelsOp{.choose = choose, .prepare = prepare};

}  // namespace ocrnet::cpu

#include <algorithm>
#include <vector>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Scratch of a thread: two source rows and one between them, as (classes, width), and one vector for each
/// class.
std::int64_t threadFloats(const TensorInfo& logits) {
  return logits.channels() * (3 * roundUp(logits.shape[2] + kMostLanes, kMostLanes) + kMostLanes);
}

Choice chooseResizeArgmax(const StepDescription& step, const Device& device) {
  return {.scratchBytes = device.threads * threadFloats(*step.input(0)) * sizeof(float)};
}

/// The taps of the output columns, for vectors: one array for each member, the last tap repeated to fill a
/// vector.
struct ColumnTaps {
  std::vector<std::int32_t> first, second;
  std::vector<float> weight;

  ColumnTaps(std::int64_t inputWidth, std::int64_t outputWidth, bool alignCorners) {
    std::vector<BilinearTap> taps = bilinearTaps(inputWidth, outputWidth, alignCorners);
    taps.resize(roundUp(outputWidth, kMostLanes), taps.back());
    for (const BilinearTap& tap : taps) {
      first.push_back(tap.first);
      second.push_back(tap.second);
      weight.push_back(tap.weight);
    }
  }
};

std::unique_ptr<PreparedStep> prepareResizeArgmax(const StepDescription& step, const Device& device,
                                                  Weights&) {
  requireChoice(step, chooseResizeArgmax(step, device));
  const auto& attributes = step.attributes<ResizeArgmaxAttributes>();
  const TensorInfo& logits = *step.input(0);
  return preparedStep([height = logits.shape[1], width = logits.shape[2], classes = logits.channels(),
                       outputHeight = std::int64_t{attributes.height},
                       outputWidth = std::int64_t{attributes.width},
                       rowTaps = bilinearTaps(logits.shape[1], attributes.height, attributes.alignCorners),
                       columnTaps = ColumnTaps(logits.shape[2], attributes.width, attributes.alignCorners),
                       labelType = attributes.labelType, rows = logits.shape[0] * attributes.height,
                       floats = threadFloats(logits), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    parallel(threads, rows, 1, [&](Range range, int thread) {
      const ResizeArgmax resize{.height = height,
                                .width = width,
                                .outputHeight = outputHeight,
                                .outputWidth = outputWidth,
                                .classes = classes,
                                .rows = rowTaps.data(),
                                .firstColumns = columnTaps.first.data(),
                                .secondColumns = columnTaps.second.data(),
                                .columnWeights = columnTaps.weight.data(),
                                .logits = memory.in<float>(0),
                                .labelType = labelType,
                                .labels = memory.outputs[0],
                                .confidence = memory.out<float>(1),
                                .scratch = reinterpret_cast<float*>(memory.scratch) + thread * floats};
      kernels.resizeArgmax(resize, range);
    });
  });
}

}  // namespace

const Op resizeArgmaxOp{.choose = chooseResizeArgmax, .prepare = prepareResizeArgmax};

}  // namespace ocrnet::cpu

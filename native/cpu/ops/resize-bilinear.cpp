#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// Floats of the two kept rows of a tile: two thirds of the smallest L1 cache.
constexpr std::int64_t kKeptFloats = 5120;

std::int64_t tileWidth(const TensorInfo& y) {
  return std::clamp<std::int64_t>(kKeptFloats / 2 / y.channels(), 1, y.shape[2]);
}

std::int64_t rowFloats(const TensorInfo& y) { return roundUp(2 * tileWidth(y) * y.channels(), kMostLanes); }

Choice chooseResizeBilinear(const StepDescription& step, const Device& device) {
  return {.scratchBytes = device.threads * rowFloats(*step.output(0)) * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareResizeBilinear(const StepDescription& step, const Device& device,
                                                    Weights&) {
  requireChoice(step, chooseResizeBilinear(step, device));
  const auto& attributes = step.attributes<ResizeBilinearAttributes>();
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const ResizeBilinear resize{.type = x.dataType,
                              .height = x.shape[1],
                              .width = x.shape[2],
                              .outputHeight = y.shape[1],
                              .outputWidth = y.shape[2],
                              .channels = x.channels(),
                              .rows = nullptr,
                              .columns = nullptr,
                              .x = sourceOf(&x),
                              .residual = sourceOf(step.input(1)),
                              .y = targetOf(&y),
                              .epilogue = {attributes.activation, attributes.negativeSlope},
                              .tileWidth = tileWidth(y),
                              .keptRows = nullptr};
  return preparedStep([=, rowTaps = bilinearTaps(x.shape[1], y.shape[1], attributes.alignCorners),
                       columnTaps = bilinearTaps(x.shape[2], y.shape[2], attributes.alignCorners),
                       rows = y.shape[0] * y.shape[1], floats = rowFloats(y), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    parallel(threads, rows, 1, [&](Range range, int thread) {
      ResizeBilinear r = resize;
      r.rows = rowTaps.data();
      r.columns = columnTaps.data();
      r.x.data = memory.inputs[0];
      r.residual.data = memory.inputs[1];
      r.y.data = memory.outputs[0];
      r.keptRows = reinterpret_cast<float*>(memory.scratch) + thread * floats;
      kernels.resizeBilinear(r, range);
    });
  });
}

}  // namespace

const Op resizeBilinearOp{.choose = chooseResizeBilinear, .prepare = prepareResizeBilinear};

}  // namespace ocrnet::cpu

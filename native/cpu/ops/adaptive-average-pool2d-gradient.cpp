#include "core/cells.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// What one pixel of x counts in the mean of each cell.
std::vector<float> sharesOf(const TensorInfo& x, const TensorInfo& y) {
  std::vector<float> shares;
  for (std::int64_t i = 0; i < y.shape[1]; ++i) {
    const std::int64_t rows = cellOf(i, y.shape[1], x.shape[1]).size();
    for (std::int64_t j = 0; j < y.shape[2]; ++j) {
      const std::int64_t columns = cellOf(j, y.shape[2], x.shape[2]).size();
      shares.push_back(static_cast<float>(1.0 / static_cast<double>(rows * columns)));
    }
  }
  return shares;
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo &dy = *step.input(0), &dx = *step.output(0);
  const AdaptiveAveragePool2dGradient pool{.type = dy.dataType,
                                           .height = dx.shape[1],
                                           .width = dx.shape[2],
                                           .outputHeight = dy.shape[1],
                                           .outputWidth = dy.shape[2],
                                           .channels = dx.channels(),
                                           .shares = nullptr,
                                           .dy = sourceOf(&dy),
                                           .dx = targetOf(&dx)};
  return preparedStep([=, shares = sharesOf(dx, dy), rows = dx.shape[0] * dx.shape[1],
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AdaptiveAveragePool2dGradient p = pool;
    p.shares = shares.data();
    p.dy.data = memory.inputs[0];
    p.dx.data = memory.outputs[0];
    parallel(threads, rows, 1, [&](Range range, int) { kernels.adaptiveAveragePool2dGradient(p, range); });
  });
}

}  // namespace

const Op adaptiveAveragePool2dGradientOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepare,
};

}  // namespace ocrnet::cpu

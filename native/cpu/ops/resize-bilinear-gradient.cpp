#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

Choice chooseResizeBilinearGradient(const StepDescription& step, const Device&) {
  requireFloat32(step);
  return {};
}

std::unique_ptr<PreparedStep> prepareResizeBilinearGradient(const StepDescription& step, const Device& device,
                                                            Weights&) {
  requireChoice(step, chooseResizeBilinearGradient(step, device));
  const bool alignCorners = step.attributes<ResizeBilinearGradientAttributes>().alignCorners;
  const TensorInfo &dy = *step.input(0), &dx = *step.output(0);
  const ResizeBilinearGradient resize{.height = dx.shape[1],
                                      .width = dx.shape[2],
                                      .outputHeight = dy.shape[1],
                                      .outputWidth = dy.shape[2],
                                      .channels = dx.channels(),
                                      .rows = nullptr,
                                      .columns = nullptr,
                                      .columnWeights = nullptr,
                                      .dy = sourceOf(&dy),
                                      .dx = targetOf(&dx)};
  return preparedStep(
      [=, rowTaps = bilinearTaps(dx.shape[1], dy.shape[1], alignCorners),
       columns = bilinearShares(bilinearTaps(dx.shape[2], dy.shape[2], alignCorners), dx.shape[2]),
       rows = dx.shape[0] * dx.shape[1], threads = device.threads,
       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
        ResizeBilinearGradient r = resize;
        r.rows = rowTaps.data();
        r.columns = columns.shares.data();
        r.columnWeights = columns.weights.data();
        r.dy.data = memory.inputs[0];
        r.dx.data = memory.outputs[0];
        parallel(threads, rows, 1, [&](Range range, int) { kernels.resizeBilinearGradient(r, range); });
      });
}

}  // namespace

const Op resizeBilinearGradientOp{.choose = chooseResizeBilinearGradient,
                                  .prepare = prepareResizeBilinearGradient};

}  // namespace ocrnet::cpu

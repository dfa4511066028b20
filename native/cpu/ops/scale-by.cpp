#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// The factor, once for each channel: it is then scaled as by a scaleShift.
Choice chooseScaleBy(const StepDescription& step, const Device&) {
  return {.scratchBytes = step.input(0)->channels() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareScaleBy(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, chooseScaleBy(step, device));
  const TensorInfo& x = *step.input(0);
  const Affine affine{.type = x.dataType,
                      .channels = x.channels(),
                      .x = sourceOf(&x),
                      .scale = nullptr,
                      .shift = nullptr,
                      .residual = {},
                      .y = targetOf(step.output(0)),
                      .epilogue = {Activation::none, 0}};
  return preparedStep([affine, pixels = x.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    auto* const scale = reinterpret_cast<float*>(memory.scratch);
    Affine a = affine;
    std::fill(scale, scale + a.channels, *memory.in<float>(1));
    a.x.data = memory.inputs[0];
    a.scale = scale;
    a.y.data = memory.outputs[0];
    parallel(threads, pixels, pixelGrain(a.channels), [&](Range range, int) { kernels.affine(a, range); });
  });
}

}  // namespace

const Op scaleByOp{.choose = chooseScaleBy, .prepare = prepareScaleBy};

}  // namespace ocrnet::cpu

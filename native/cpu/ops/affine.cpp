#include "cpu/ops/affine.h"

#include "cpu/parallel.h"

namespace ocrnet::cpu {

std::unique_ptr<PreparedStep> prepareAffine(const StepDescription& step, const Device& device,
                                            Epilogue epilogue, AffineInputs inputs) {
  requireChoice(step, Choice{});
  const TensorInfo& x = *step.input(0);
  const Affine affine{.type = x.dataType,
                      .channels = x.channels(),
                      .x = sourceOf(&x),
                      .scale = nullptr,
                      .shift = nullptr,
                      .residual = sourceOf(inputs.residual < 0 ? nullptr : step.input(inputs.residual)),
                      .y = targetOf(step.output(0)),
                      .epilogue = epilogue};
  return preparedStep([=, pixels = x.pixels(), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    Affine a = affine;
    a.x.data = memory.inputs[0];
    if (inputs.scale >= 0) a.scale = memory.in<float>(inputs.scale);
    if (inputs.shift >= 0) a.shift = memory.in<float>(inputs.shift);
    if (inputs.residual >= 0) a.residual.data = memory.inputs[inputs.residual];
    a.y.data = memory.outputs[0];
    parallel(threads, pixels, pixelGrain(a.channels), [&](Range range, int) { kernels.affine(a, range); });
  });
}

}  // namespace ocrnet::cpu

#include "cuda/ops/affine.h"

namespace ocrnet::cuda {

const Op scaleShiftOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device&, Parameters&) {
          const auto& [activation, negativeSlope] = step.attributes<ScaleShiftAttributes>();
          return prepareAffine(step, {activation, negativeSlope}, {.scale = 1, .shift = 2, .residual = 3});
        },
};

}  // namespace ocrnet::cuda

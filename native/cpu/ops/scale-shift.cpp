#include "cpu/ops/affine.h"

namespace ocrnet::cpu {

const Op scaleShiftOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare =
        [](const StepDescription& step, const Device& device, Weights&) {
          const auto& [activation, negativeSlope] = step.attributes<ScaleShiftAttributes>();
          return prepareAffine(step, device, {activation, negativeSlope},
                               {.scale = 1, .shift = 2, .residual = 3});
        },
};

}  // namespace ocrnet::cpu

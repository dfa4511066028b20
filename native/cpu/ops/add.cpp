#include "cpu/ops/affine.h"

namespace ocrnet::cpu {

const Op addOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare =
        [](const StepDescription& step, const Device& device, Weights&) {
          const auto& [activation, negativeSlope] = step.attributes<AddAttributes>();
          return prepareAffine(step, device, {activation, negativeSlope},
                               {.scale = -1, .shift = -1, .residual = 1});
        },
};

}  // namespace ocrnet::cpu

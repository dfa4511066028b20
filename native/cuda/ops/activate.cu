#include "cuda/ops/affine.h"

namespace ocrnet::cuda {

const Op activateOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device&, Parameters&) {
          const auto& [activation, negativeSlope] = step.attributes<ActivateAttributes>();
          return prepareAffine(step, {activation, negativeSlope}, {.scale = -1, .shift = -1, .residual = -1});
        },
};

}  // namespace ocrnet::cuda

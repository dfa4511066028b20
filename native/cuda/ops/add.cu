#include "cuda/ops/affine.h"

namespace ocrnet::cuda {

const Op addOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device&, Parameters&) {
          const auto& [activation, negativeSlope] = step.attributes<AddAttributes>();
          return prepareAffine(step, {activation, negativeSlope}, {.scale = -1, .shift = -1, .residual = 1});
        },
};

}  // namespace ocrnet::cuda

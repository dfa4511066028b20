#include "cuda/ops/affine.h"

namespace ocrnet::cuda {

const Op scaleByOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device&, Parameters&) {
          return prepareAffine(step, {Activation::none, 0}, {.scale = 1, .shift = -1, .residual = -1});
        },
};

}  // namespace ocrnet::cuda

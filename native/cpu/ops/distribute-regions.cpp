#include "cpu/ops/pixel-product.h"

namespace ocrnet::cpu {

const Op distributeRegionsOp{
    .choose = [](const StepDescription& step,
                 const Device& device) { return choosePixelProduct(step, device, RegionVectors::mixed); },
    .prepare = [](const StepDescription& step, const Device& device,
                  Weights&) { return preparePixelProduct(step, device, RegionVectors::mixed); },
};

}  // namespace ocrnet::cpu

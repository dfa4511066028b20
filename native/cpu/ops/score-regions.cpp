#include "cpu/ops/pixel-product.h"

namespace ocrnet::cpu {

const Op scoreRegionsOp{
    .choose = [](const StepDescription& step,
                 const Device& device) { return choosePixelProduct(step, device, RegionVectors::scored); },
    .prepare = [](const StepDescription& step, const Device& device,
                  Weights&) { return preparePixelProduct(step, device, RegionVectors::scored); },
};

}  // namespace ocrnet::cpu

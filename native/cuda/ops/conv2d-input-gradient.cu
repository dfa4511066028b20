#include "cuda/conv/algorithm.h"

namespace ocrnet::cuda {

namespace {

constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::direct,
    &conv::depthwise,
    &conv::implicitGemmLarge,
    &conv::implicitGemmSmall,
};

Choice choose(const StepDescription& step, const Device& device) {
  return conv::choose(kAlgorithms, conv::describeInputGradient(step), device);
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& step, const Device& device,
                                      Parameters& parameters) {
  return conv::prepare(kAlgorithms, conv::describeInputGradient(step), step, device, parameters);
}

}  // namespace

const Op conv2dInputGradientOp{.choose = choose, .prepare = prepare};

}  // namespace ocrnet::cuda

#include "cuda/conv/algorithm.h"

namespace ocrnet::cuda {

namespace {

constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::directFilterGradient,
    &conv::filterGradientGemmLarge,
    &conv::filterGradientGemmSmall,
};

Choice choose(const StepDescription& step, const Device& device) {
  return conv::choose(kAlgorithms, conv::describeFilterGradient(step), device);
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& step, const Device& device,
                                      Parameters& parameters) {
  return conv::prepare(kAlgorithms, conv::describeFilterGradient(step), step, device, parameters);
}

}  // namespace

const Op conv2dFilterGradientOp{.choose = choose, .prepare = prepare};

}  // namespace ocrnet::cuda

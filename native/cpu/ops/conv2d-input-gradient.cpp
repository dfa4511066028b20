#include "cpu/conv/algorithm-table.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::onednnInputGradient,
    &conv::convolutionInputGradient,
    &conv::matmulInputGradient,
    &conv::winogradInputGradient,
};

Choice choose(const StepDescription& description, const Device& device) {
  return conv::choose(kAlgorithms, conv::describeInputGradient(description), device);
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& description, const Device& device,
                                      Weights& weights) {
  return conv::prepare(kAlgorithms, conv::describeInputGradient(description), description, device, weights);
}

}  // namespace

const Op conv2dInputGradientOp{choose, prepare};

}  // namespace ocrnet::cpu

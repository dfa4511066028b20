#include "cpu/conv/algorithm-table.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::onednnFilterGradient,
    &conv::depthwiseFilterGradient,
    &conv::sumsFilterGradient,
    &conv::winogradFilterGradient,
};

Choice choose(const StepDescription& description, const Device& device) {
  return conv::choose(kAlgorithms, conv::describeFilterGradient(description), device);
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& description, const Device& device,
                                      Weights& weights) {
  return conv::prepare(kAlgorithms, conv::describeFilterGradient(description), description, device, weights);
}

}  // namespace

const Op conv2dFilterGradientOp{choose, prepare};

}  // namespace ocrnet::cpu

#include "cpu/conv/algorithm-table.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::onednnAlgorithm,
    &conv::matmulAlgorithm,
    &conv::winogradAlgorithm,
};

Choice choose(const StepDescription& description, const Device& device) {
  return conv::choose(kAlgorithms, conv::describeProblem(description), device);
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& description, const Device& device,
                                      Weights& weights) {
  return conv::prepare(kAlgorithms, conv::describeProblem(description), description, device, weights);
}

}  // namespace

const Op conv2dOp{choose, prepare};

}  // namespace ocrnet::cpu

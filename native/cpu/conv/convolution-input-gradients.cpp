// The input gradient of a convolution of stride 1 is a convolution of dy, by whatever computes convolutions:
// only the packing of the filter knows the difference.

#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu::conv {

namespace {

template <const Algorithm& forward>
bool supports(const Problem& problem, const Device& device) {
  return hasConvolutionForm(problem) && forward.supports(asConvolution(problem), device);
}

template <const Algorithm& forward>
Estimate estimate(const Problem& problem, const Device& device) {
  return forward.estimate(asConvolution(problem), device);
}

template <const Algorithm& forward>
std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription& description,
                                      const Device& device, Weights& weights) {
  return forward.prepare(asConvolution(problem), description, device, weights);
}

template <const Algorithm& forward>
constexpr Algorithm inputGradientBy() {
  return {supports<forward>, estimate<forward>, prepare<forward>};
}

}  // namespace

const Algorithm convolutionInputGradient = inputGradientBy<onednnAlgorithm>();
const Algorithm matmulInputGradient = inputGradientBy<matmulAlgorithm>();
const Algorithm winogradInputGradient = inputGradientBy<winogradAlgorithm>();

}  // namespace ocrnet::cpu::conv

#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kInputGradients[] = {
    &conv::onednnInputGradient,
    &conv::convolutionInputGradient,
    &conv::matmulInputGradient,
    &conv::winogradInputGradient,
};

}  // namespace

const Op conv2dInputGradientOp = conv::kOperation<kInputGradients, conv::describeInputGradient>;

}  // namespace ocrnet::cpu

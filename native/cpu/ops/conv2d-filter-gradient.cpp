#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kFilterGradients[] = {
    &conv::onednnFilterGradient,
    &conv::depthwiseFilterGradient,
    &conv::sumsFilterGradient,
    &conv::winogradFilterGradient,
};

}  // namespace

const Op conv2dFilterGradientOp = conv::kOperation<kFilterGradients, conv::describeFilterGradient>;

}  // namespace ocrnet::cpu

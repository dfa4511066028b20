#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::onednnAlgorithm,
    &conv::matmulAlgorithm,
    &conv::winogradAlgorithm,
};

}  // namespace

const Op conv2dOp = conv::kOperation<kAlgorithms, conv::describeProblem>;

}  // namespace ocrnet::cpu

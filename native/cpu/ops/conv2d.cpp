#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu {

namespace {

constexpr const conv::Algorithm* kConvolutions[] = {
    &conv::onednnAlgorithm,
    &conv::matmulAlgorithm,
    &conv::winogradAlgorithm,
};

}  // namespace

const Op conv2dOp = conv::kOperation<kConvolutions, conv::describeProblem>;

}  // namespace ocrnet::cpu

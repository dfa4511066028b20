#pragma once

#include "cpu/ops/direct.h"

namespace ocrnet::cpu {

/// Where the operands of an Affine are among the inputs of an operation; −1 where the operation has none.
struct AffineInputs {
  int scale, shift, residual;
};

/// activation(x · scale + shift + residual) with x as the first input: scaleShift, activate and add.
std::unique_ptr<PreparedStep> prepareAffine(const StepDescription& step, const Device& device,
                                            Epilogue epilogue, AffineInputs inputs);

}  // namespace ocrnet::cpu

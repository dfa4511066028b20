#pragma once

#include "core/epilogue.h"
#include "cuda/op.h"

namespace ocrnet::cuda {

/// Where the operands of an affine map are among the inputs of an operation; −1 where the operation has none.
struct AffineInputs {
  int scale, shift, residual;
};

/// activation(x · scale + shift + residual) with x as the first input: scaleShift, scaleBy, activate and add.
/// A scale of one element is that of all channels.
std::unique_ptr<PreparedStep> prepareAffine(const StepDescription& step, Epilogue epilogue,
                                            AffineInputs inputs);

}  // namespace ocrnet::cuda

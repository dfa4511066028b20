#include "cuda/conv/algorithm.h"

namespace ocrnet::cuda {

const Op conv2dFilterGradientOp = conv::kOperation<conv::kFilterGradients, conv::describeFilterGradient>;

}  // namespace ocrnet::cuda

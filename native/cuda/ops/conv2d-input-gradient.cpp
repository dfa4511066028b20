#include "cuda/conv/algorithm.h"

namespace ocrnet::cuda {

const Op conv2dInputGradientOp = conv::kOperation<conv::kConvolutions, conv::describeInputGradient>;

}  // namespace ocrnet::cuda

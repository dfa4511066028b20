#include "cuda/conv/algorithm.h"
#include "cuda/cudnn/candidate.h"

namespace ocrnet::cuda {

const Op conv2dInputGradientOp =
    cudnn::kOperation<cudnn::Pass::inputGradient,
                      conv::kOperation<conv::kConvolutions, conv::describeInputGradient>>;

}  // namespace ocrnet::cuda

#include "cuda/conv/algorithm.h"
#include "cuda/cudnn/candidate.h"

namespace ocrnet::cuda {

const Op conv2dFilterGradientOp =
    cudnn::kOperation<cudnn::Pass::filterGradient,
                      conv::kOperation<conv::kFilterGradients, conv::describeFilterGradient>>;

}  // namespace ocrnet::cuda

#include "cuda/conv/algorithm.h"
#include "cuda/cudnn/candidate.h"

namespace ocrnet::cuda {

const Op conv2dOp =
    cudnn::kOperation<cudnn::Pass::forward, conv::kOperation<conv::kConvolutions, conv::describeConvolution>>;

}  // namespace ocrnet::cuda

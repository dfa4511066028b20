#include "cuda/conv/algorithm.h"

namespace ocrnet::cuda {

const Op conv2dOp = conv::kOperation<conv::kConvolutions, conv::describeConvolution>;

}  // namespace ocrnet::cuda

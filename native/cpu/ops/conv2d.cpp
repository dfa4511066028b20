#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu {

const Op conv2dOp = conv::kOperation<conv::kConvolutions, conv::describeProblem>;

}  // namespace ocrnet::cpu

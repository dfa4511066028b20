#include "cuda/op.h"

namespace ocrnet::cuda {

OCRNET_DEFINE_OP_FOR

}  // namespace ocrnet::cuda

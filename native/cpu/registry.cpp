#include "cpu/op.h"

namespace ocrnet::cpu {

OCRNET_DEFINE_OP_FOR

}  // namespace ocrnet::cpu

#include "cuda/op.h"

namespace ocrnet::cuda {

// An operation without a file of its own is not there; the linker leaves its address null.
#define OCRNET_OP_MAY_BE_ABSENT(name) extern const Op name##Op __attribute__((weak));
OCRNET_EXECUTABLE_OPS(OCRNET_OP_MAY_BE_ABSENT)
#undef OCRNET_OP_MAY_BE_ABSENT

const Op* opFor(Opcode opcode) {
  switch (opcode) {
#define OCRNET_CASE(name) \
  case Opcode::name:      \
    return &name##Op;
    OCRNET_EXECUTABLE_OPS(OCRNET_CASE)
#undef OCRNET_CASE
    default:
      return nullptr;
  }
}

}  // namespace ocrnet::cuda

#include "cpu/op.h"

namespace ocrnet::cpu {

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

}  // namespace ocrnet::cpu

#pragma once

#include "plan/schema.gen.h"

// For each executable operation a device has `const Op <name>Op`, defined in ops/<operation>: a missing body
// is a link error.
#define OCRNET_DECLARE_OP(name) extern const Op name##Op;
#define OCRNET_DECLARE_OPS OCRNET_EXECUTABLE_OPS(OCRNET_DECLARE_OP)

// `const Op* opFor(Opcode)`, once for each device: null for operations that are compiled away.
#define OCRNET_CASE_OP(name) \
  case Opcode::name:         \
    return &name##Op;
#define OCRNET_DEFINE_OP_FOR                \
  const Op* opFor(Opcode opcode) {          \
    switch (opcode) {                       \
      OCRNET_EXECUTABLE_OPS(OCRNET_CASE_OP) \
      default:                              \
        return nullptr;                     \
    }                                       \
  }

#pragma once

#include "core/enums.gen.h"

namespace ocrnet {

/// What an operation applies to its result last (lib/ops/epilogue.ts); only leakyRelu has a slope.
struct Epilogue {
  Activation activation;
  float negativeSlope;
};

}  // namespace ocrnet

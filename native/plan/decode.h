#pragma once

#include <cstddef>
#include <span>

#include "plan/plan.h"

namespace ocrnet {

/// Reads what lib/compile/encode.ts writes. Throws Error("INVALID_PLAN") where bytes are missing, left over
/// or out of range; says nothing about whether the plan makes sense.
Plan decodePlan(std::span<const std::byte> bytes);

}  // namespace ocrnet

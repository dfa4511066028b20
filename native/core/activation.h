#pragma once

// Activation: what a fused operation applies to its result last. `leakyRelu` has a slope for negative inputs
// beside it.
#include "core/enums.gen.h"

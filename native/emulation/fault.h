#pragma once

// Faults of the emulated device: after the first every call fails, until the device is reset.

#include <string>

#include "emulation/include/cuda_runtime.h"

namespace ocrnet::emulation {

void reportFault(const std::string& fault);

/// cudaErrorLaunchFailure from the first fault on.
cudaError_t status();

}  // namespace ocrnet::emulation

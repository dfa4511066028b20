#pragma once

// The emulated GPUs, of which the environment's OCRNET_EMULATED_GPUS says how many there are, and their
// faults: after a GPU's first every call fails while it is current, until it is reset.

#include <string>

#include "emulation/include/cuda_runtime.h"

namespace ocrnet::emulation {

/// Makes another GPU current on this thread for a while.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_;
};

/// Current on this thread.
int currentDevice();

/// Of the current GPU.
void reportFault(const std::string& fault);

/// cudaErrorLaunchFailure from the current GPU's first fault on.
cudaError_t status();

}  // namespace ocrnet::emulation

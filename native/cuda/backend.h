#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "runtime/backend.h"

namespace ocrnet::cuda {

struct Options {
  int index = 0;      // of the GPU
  bool tf32 = false;  // whether products of float32 numbers may round them to 10 bits first
};

/// What of CUDA this build and this machine have.
struct Description {
  bool built, emulated;
  std::string runtimeVersion, driverVersion;  // "13.0"; empty where there is none
  std::string unavailable;                    // why no GPU can be used; empty where one can
  std::vector<Device> devices;
};

/// Never throws.
Description describe();

/// cuDNN, which the user may have.
struct CudnnDescription {
  std::string path;         // where it was looked for
  std::string version;      // empty where there is none to use
  std::string unavailable;  // why, where there is none
};

/// Loads the library. Never throws.
CudnnDescription describeCudnn();

/// Throws Error("DEVICE_UNAVAILABLE") with the reason.
Device describeDevice(int index, bool tf32);

/// Throws Error("DEVICE_UNAVAILABLE") with the reason. The device computes in the order of one stream, a
/// loaded plan as one graph, and copies inputs and outputs of other runs meanwhile.
std::unique_ptr<Backend> openBackend(const Options& options);

}  // namespace ocrnet::cuda

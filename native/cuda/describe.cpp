#include <cuda_runtime.h>

#include "core/error.h"
#include "cuda/backend.h"
#include "cuda/check.h"
#include "cuda/cudnn/library.h"

namespace ocrnet::cuda {

namespace {

#ifdef OCRNET_EMULATION
constexpr bool kEmulated = true;
constexpr int kLeastComputeCapability = 75;
#else
constexpr bool kEmulated = false;
/// Of the GPUs that this build has machine code for: 75 or 80.
constexpr int kLeastComputeCapability = OCRNET_CUDA_LEAST_CAPABILITY;
#endif

/// CUDA writes 13000 for 13.0.
std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Why there is no GPU to use; empty where there is one.
std::string reasonWithoutGpu(int runtime, int driver) {
  if (driver == 0) return "no NVIDIA driver is loaded";
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver || driver / 1000 < runtime / 1000) {
    return "the NVIDIA driver is for CUDA " + versionText(driver) + ", and this build wants one for CUDA " +
           versionText(runtime) + " or newer";
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) return "no NVIDIA GPU was found";
  if (error != cudaSuccess) {
    return "CUDA does not start: " + std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error);
  }
  return "";
}

std::string capabilityText(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

Device describeGpu(int index) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index));
  return {.index = index,
          .model = properties.name,
          .computeCapability = properties.major * 10 + properties.minor,
          .multiprocessors = properties.multiProcessorCount,
          .memoryBytes = properties.totalGlobalMem,
          .sharedBytes = properties.sharedMemPerBlockOptin,
          .tf32 = false};
}

}  // namespace

Description describe() {
  Description description{.built = true,
                          .emulated = kEmulated,
                          .runtimeVersion = "",
                          .driverVersion = "",
                          .unavailable = "",
                          .devices = {}};
  try {
    int runtime = 0, driver = 0, count = 0;
    cudaRuntimeGetVersion(&runtime);
    cudaDriverGetVersion(&driver);
    description.runtimeVersion = versionText(runtime);
    if (driver > 0) description.driverVersion = versionText(driver);
    description.unavailable = reasonWithoutGpu(runtime, driver);
    if (!description.unavailable.empty()) return description;
    check(cudaGetDeviceCount(&count));
    for (int i = 0; i < count; ++i) description.devices.push_back(describeGpu(i));
  } catch (const std::exception& error) {
    description.unavailable = error.what();
  }
  return description;
}

CudnnDescription describeCudnn() {
  const cudnn::Found& found = cudnn::findLibrary();
  return {found.path, found.library ? found.library->version : "", found.reason};
}

Device describeDevice(int index, bool tf32) {
  const Description all = describe();
  if (!all.unavailable.empty()) throw Error("DEVICE_UNAVAILABLE", "No GPU can be used: " + all.unavailable);
  if (index < 0 || index >= static_cast<int>(all.devices.size())) {
    throw Error("DEVICE_UNAVAILABLE", "There is no GPU of this index: expected 0 to " +
                                          std::to_string(all.devices.size() - 1) + ", received " +
                                          std::to_string(index));
  }
  Device device = all.devices[index];
  if (device.computeCapability < kLeastComputeCapability) {
    const std::string remedy =
        device.computeCapability >= 75 ? " (a build with -DOCRNET_CUDA_CODE=sm_75 has kernels for it)" : "";
    throw Error("DEVICE_UNAVAILABLE", device.model +
                                          " is too old for this build: expected compute capability " +
                                          capabilityText(kLeastComputeCapability) + " or newer, received " +
                                          capabilityText(device.computeCapability) + remedy);
  }
  if (tf32 && !device.multipliesWideTypes()) {
    throw Error("UNSUPPORTED", device.model +
                                   " has no tensor cores for TF32: expected compute capability 8.0 or newer, "
                                   "received " +
                                   capabilityText(device.computeCapability));
  }
  device.tf32 = tf32;
  return device;
}

}  // namespace ocrnet::cuda

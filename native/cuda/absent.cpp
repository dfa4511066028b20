// In place of the CUDA backend where the addon was built for the processor alone.

#include "core/error.h"
#include "cuda/backend.h"

namespace ocrnet::cuda {

namespace {

constexpr const char* kReason =
    "this build of the addon has no CUDA: build it with OCRNET_CUDA=ON npm run setup";

}  // namespace

Description describe() {
  return {.built = false,
          .emulated = false,
          .runtimeVersion = "",
          .driverVersion = "",
          .unavailable = kReason,
          .devices = {}};
}

CudnnDescription describeCudnn() { return {.path = "", .version = "", .unavailable = kReason}; }

Device describeDevice(int, bool) {
  throw Error("DEVICE_UNAVAILABLE", std::string("No GPU can be used: ") + kReason);
}

std::unique_ptr<Backend> openBackend(const Options&) {
  throw Error("DEVICE_UNAVAILABLE", std::string("No GPU can be used: ") + kReason);
}

}  // namespace ocrnet::cuda

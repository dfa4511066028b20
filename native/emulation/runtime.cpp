// Errors, launches and the description of the emulated device.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "emulation/cluster.h"
#include "emulation/fault.h"
#include "emulation/launch.h"
#include "emulation/memory.h"
#include "emulation/streams.h"

namespace ocrnet::emulation {

namespace {

constexpr int kMostDevices = 8;

struct Gpu {
  std::string firstFault;  // since the last reset
  std::atomic<bool> faulty = false;
};

std::mutex faultMutex;
std::array<Gpu, kMostDevices> gpus;
thread_local int current = 0;
std::atomic<std::uint64_t> threads = 0;

int deviceCount() {
  const char* const count = std::getenv("OCRNET_EMULATED_GPUS");
  return count ? std::clamp(std::atoi(count), 1, kMostDevices) : 1;
}

struct Abilities {
  const char* name;
  int major, minor;
  std::size_t sharedBytes;  // of a block
};

/// The GPU whose number $OCRNET_EMULATED_TURING is has what those of compute capability 7.5 have.
Abilities abilitiesOf(int device) {
  const char* const turing = std::getenv("OCRNET_EMULATED_TURING");
  if (turing && std::atoi(turing) == device) return {"emulated Turing GPU", 7, 5, std::size_t{64} << 10};
  return {"emulated GPU", 9, 0, kMostSharedBytes};
}

uint3 indexOf(std::uint64_t i, dim3 grid) {
  return {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
          static_cast<unsigned>(i / (std::uint64_t{grid.x} * grid.y))};
}

void runGrid(const Launch& launch) {
  const std::uint64_t blocks = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const auto clusters = static_cast<std::int64_t>(blocks / launch.clusterBlocks);
  const bool descending = policy().order != Order::ascending;
  const int device = current;  // of this thread, not of those that help
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < clusters; ++i) {
    // There is little room for thread-local objects themselves.
    thread_local const auto cluster = std::make_unique<Cluster>();
    const OnDevice onDevice(device);
    if (status() != cudaSuccess) continue;
    const std::int64_t first = (descending ? clusters - 1 - i : i) * launch.clusterBlocks;
    const std::string fault = cluster->run(launch, indexOf(static_cast<std::uint64_t>(first), launch.grid));
    if (!fault.empty()) reportFault(fault);
  }
  threads += blocks * launch.block.x * launch.block.y * launch.block.z;
}

}  // namespace

OnDevice::OnDevice(int device) : before_(std::exchange(current, device)) {}
OnDevice::~OnDevice() { current = before_; }

int currentDevice() { return current; }

void reportFault(const std::string& fault) {
  const std::lock_guard lock(faultMutex);
  if (gpus[current].faulty) return;
  gpus[current].firstFault = fault;
  gpus[current].faulty = true;
}

cudaError_t status() { return gpus[current].faulty ? cudaErrorLaunchFailure : cudaSuccess; }

void launchGrid(Launch launch, cudaStream_t stream) {
  catchForbiddenAccess();
  const std::uint64_t blockThreads = std::uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  constexpr unsigned kMostGridHeight = 65535;
  std::string wrong;
  if (blockThreads < 1 || blockThreads > kMostThreads) wrong = std::to_string(blockThreads) + " threads";
  if (launch.sharedBytes > abilitiesOf(current).sharedBytes)
    wrong = std::to_string(launch.sharedBytes) + " bytes of shared memory";
  if (launch.grid.x < 1 || launch.grid.y < 1 || launch.grid.z < 1 || launch.grid.y > kMostGridHeight ||
      launch.grid.z > kMostGridHeight || launch.grid.x > 0x7fffffff) {
    wrong = "a grid of " + std::to_string(launch.grid.x) + " × " + std::to_string(launch.grid.y) + " × " +
            std::to_string(launch.grid.z);
  }
  if (launch.clusterBlocks < 1 || launch.clusterBlocks > kMostClusterBlocks ||
      launch.grid.x % launch.clusterBlocks != 0) {
    wrong = "clusters of " + std::to_string(launch.clusterBlocks) + " blocks in a grid of " +
            std::to_string(launch.grid.x) + " across";
  }
  if (stream && deviceOf(stream) != current) {
    wrong = "a stream of GPU " + std::to_string(deviceOf(stream)) + " while GPU " + std::to_string(current) +
            " is current";
  }
  if (!wrong.empty()) return reportFault(std::string(launch.kernel) + ": launched with " + wrong);
  enqueue(stream, [launch = std::move(launch)] { runGrid(launch); });
}

std::string kernelName(const char* prettyFunction) {
  const std::string text = prettyFunction;
  const std::string_view key = "kernel = ";
  const std::size_t found = text.find(key);
  if (found == std::string::npos) return text;
  const std::size_t first = found + key.size();
  return text.substr(first, text.find_first_of(";]", first) - first);
}

std::uint64_t threadsRun() { return threads; }

}  // namespace ocrnet::emulation

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
  }
  return "unknown error";
}

/// Of a launch failure what the emulation found out, which no GPU would tell.
const char* cudaGetErrorString(cudaError_t error) {
  const std::lock_guard lock(ocrnet::emulation::faultMutex);
  if (error == cudaErrorLaunchFailure) {
    return ocrnet::emulation::gpus[ocrnet::emulation::current].firstFault.c_str();
  }
  return error == cudaSuccess ? "no error" : "the emulated device refuses";
}

cudaError_t cudaGetLastError() { return ocrnet::emulation::status(); }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = ocrnet::emulation::deviceCount();
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= ocrnet::emulation::deviceCount()) return cudaErrorInvalidDevice;
  const auto abilities = ocrnet::emulation::abilitiesOf(device);
  *properties = {};
  std::strcpy(properties->name, abilities.name);
  properties->totalGlobalMem = ocrnet::emulation::kMemoryBytes;
  properties->sharedMemPerBlockOptin = abilities.sharedBytes;
  properties->major = abilities.major;
  properties->minor = abilities.minor;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= ocrnet::emulation::deviceCount()) return cudaErrorInvalidDevice;
  ocrnet::emulation::current = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = ocrnet::emulation::current;
  return cudaSuccess;
}

/// What the modes forbid the emulation allows.
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  thread_local cudaStreamCaptureMode own = cudaStreamCaptureModeThreadLocal;
  std::swap(*mode, own);
  return cudaSuccess;
}

cudaError_t cudaDeviceReset() {
  ocrnet::emulation::destroyStreams();
  const std::lock_guard lock(ocrnet::emulation::faultMutex);
  auto& gpu = ocrnet::emulation::gpus[ocrnet::emulation::current];
  gpu.faulty = false;
  gpu.firstFault.clear();
  return cudaSuccess;
}

// Streams, graphs, events, errors and launches of the emulated device.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "emulation/launch.h"
#include "emulation/memory.h"
#include "emulation/streams.h"

using Work = std::function<void()>;

struct EmulatedStream {
  bool capturing = false;
  std::vector<Work> captured;
};
struct EmulatedGraph {
  std::vector<Work> work;
};
struct EmulatedEvent {
  std::chrono::steady_clock::time_point time;
};

namespace ocrnet::emulation {

namespace {

std::mutex faultMutex;
std::string firstFault;  // since the last reset
std::atomic<bool> faulty = false;
std::atomic<std::uint64_t> threads = 0;

void reportFault(const std::string& fault) {
  const std::lock_guard lock(faultMutex);
  if (faulty) return;
  firstFault = fault;
  faulty = true;
}

uint3 indexOf(std::uint64_t i, dim3 grid) {
  return {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
          static_cast<unsigned>(i / (std::uint64_t{grid.x} * grid.y))};
}

void runGrid(const Launch& launch) {
  const auto blocks = static_cast<std::int64_t>(std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z);
  const bool descending = policy().order != Order::ascending;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < blocks; ++i) {
    thread_local Block block;
    if (faulty) continue;
    const std::string fault = block.run(launch, indexOf(descending ? blocks - 1 - i : i, launch.grid));
    if (!fault.empty()) reportFault(fault);
  }
  threads += static_cast<std::uint64_t>(blocks) * launch.block.x * launch.block.y * launch.block.z;
}

cudaError_t status() { return faulty ? cudaErrorLaunchFailure : cudaSuccess; }

}  // namespace

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (faulty) return status();
  if (stream && stream->capturing) {
    stream->captured.push_back(std::move(work));
  } else {
    work();
  }
  return status();
}

void launchGrid(Launch launch, cudaStream_t stream) {
  catchForbiddenAccess();
  const std::uint64_t blockThreads = std::uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  constexpr unsigned kMostGridHeight = 65535;
  std::string wrong;
  if (blockThreads < 1 || blockThreads > kMostThreads) wrong = std::to_string(blockThreads) + " threads";
  if (launch.sharedBytes > kMostSharedBytes)
    wrong = std::to_string(launch.sharedBytes) + " bytes of shared memory";
  if (launch.grid.x < 1 || launch.grid.y < 1 || launch.grid.z < 1 || launch.grid.y > kMostGridHeight ||
      launch.grid.z > kMostGridHeight || launch.grid.x > 0x7fffffff) {
    wrong = "a grid of " + std::to_string(launch.grid.x) + " × " + std::to_string(launch.grid.y) + " × " +
            std::to_string(launch.grid.z);
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

using ocrnet::emulation::enqueue;

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
  }
  return "unknown error";
}

/// Of a launch failure what the emulation found out, which no GPU would tell.
const char* cudaGetErrorString(cudaError_t error) {
  const std::lock_guard lock(ocrnet::emulation::faultMutex);
  if (error == cudaErrorLaunchFailure) return ocrnet::emulation::firstFault.c_str();
  return error == cudaSuccess ? "no error" : "the emulated device refuses";
}

cudaError_t cudaGetLastError() { return ocrnet::emulation::status(); }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *properties = {};
  std::strcpy(properties->name, "emulated GPU");
  properties->totalGlobalMem = ocrnet::emulation::kMemoryBytes;
  properties->sharedMemPerBlockOptin = ocrnet::emulation::kMostSharedBytes;
  properties->major = 8;
  properties->minor = 0;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}

namespace {

/// Objects of one kind that were made and not destroyed: a reset destroys them all.
template <class Object>
class Registry {
 public:
  cudaError_t make(Object** handle, Object object) {
    if (const cudaError_t error = ocrnet::emulation::status()) return error;
    auto made = std::make_unique<Object>(std::move(object));
    const std::lock_guard lock(mutex_);
    *handle = made.get();
    objects_.emplace(made.get(), std::move(made));
    return cudaSuccess;
  }
  cudaError_t destroy(Object* object) {
    {
      const std::lock_guard lock(mutex_);
      objects_.erase(object);
    }
    return ocrnet::emulation::status();
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    objects_.clear();
  }

 private:
  std::mutex mutex_;
  std::map<Object*, std::unique_ptr<Object>> objects_;
};

Registry<EmulatedStream> streams;
Registry<EmulatedGraph> graphs;
Registry<EmulatedEvent> events;

}  // namespace

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

cudaError_t cudaDeviceReset() {
  streams.clear();
  graphs.clear();
  events.clear();
  const std::lock_guard lock(ocrnet::emulation::faultMutex);
  ocrnet::emulation::faulty = false;
  ocrnet::emulation::firstFault.clear();
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t toPitch, const void* from, std::size_t fromPitch,
                              std::size_t rowBytes, std::size_t rows, cudaMemcpyKind, cudaStream_t stream) {
  if (rowBytes > toPitch || rowBytes > fromPitch) return cudaErrorInvalidValue;
  return enqueue(stream, [=] {
    for (std::size_t row = 0; row < rows; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * toPitch,
                  static_cast<const std::byte*>(from) + row * fromPitch, rowBytes);
    }
  });
}

cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] { std::memset(memory, byte, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return streams.make(stream, {}); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return streams.destroy(stream); }

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream && stream->capturing) return cudaErrorStreamCaptureUnsupported;
  return ocrnet::emulation::status();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = true;
  return ocrnet::emulation::status();
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->capturing) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = false;
  return graphs.make(graph, {std::exchange(stream->captured, {})});
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return graphs.make(executable, *graph);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (stream && stream->capturing) return cudaErrorStreamCaptureUnsupported;
  for (const Work& work : executable->work) {
    if (const cudaError_t error = ocrnet::emulation::status()) return error;
    work();
  }
  return ocrnet::emulation::status();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return graphs.destroy(graph); }

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return cudaGraphDestroy(executable); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return events.make(event, {}); }

cudaError_t cudaEventDestroy(cudaEvent_t event) { return events.destroy(event); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return enqueue(stream, [=] { event->time = std::chrono::steady_clock::now(); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t) { return ocrnet::emulation::status(); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return ocrnet::emulation::status();
}

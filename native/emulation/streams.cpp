#include "emulation/streams.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "emulation/block.h"
#include "emulation/fault.h"
#include "emulation/memory.h"

using Work = std::function<void()>;

namespace {

/// A place in a stream.
struct Mark {
  EmulatedStream* stream;
  bool reached = false;
  std::chrono::steady_clock::time_point time{};
};

/// One of the three.
struct Item {
  Work work;
  std::shared_ptr<Mark> reaches, awaits;
};

}  // namespace

struct EmulatedStream {
  int device = ocrnet::emulation::currentDevice();
  bool capturing = false;
  std::vector<Work> captured;
  std::deque<Item> items;
  bool running = false;  // on some thread
};
struct EmulatedGraph {
  std::vector<Work> work;
  int device = ocrnet::emulation::currentDevice();
};
struct EmulatedEvent {
  int device = ocrnet::emulation::currentDevice();
  std::shared_ptr<Mark> mark;  // where it was recorded last; null before
};

namespace ocrnet::emulation {

namespace {

std::mutex mutex;  // of all that follows and of what the handles point to; free while work runs
std::condition_variable changed;
std::uint64_t draws = 0;
using Lock = std::unique_lock<std::mutex>;

/// Objects of one kind that were made and not destroyed.
template <class Object>
using Registry = std::map<Object*, std::unique_ptr<Object>>;
Registry<EmulatedStream> streams;
Registry<EmulatedGraph> graphs;
Registry<EmulatedEvent> events;

template <class Object>
cudaError_t make(Registry<Object>& registry, Object** handle, Object object) {
  if (const cudaError_t error = status()) return error;
  auto made = std::make_unique<Object>(std::move(object));
  const Lock lock(mutex);
  *handle = made.get();
  registry.emplace(made.get(), std::move(made));
  return cudaSuccess;
}

template <class Object>
cudaError_t destroy(Registry<Object>& registry, Object* object) {
  const Lock lock(mutex);
  registry.erase(object);
  return status();
}

void reach(Lock& lock, const std::shared_ptr<Mark>& mark);

/// Of a stream with items that does not run: its oldest, or first what that waits for.
void runOldest(Lock& lock, EmulatedStream& stream) {
  const std::shared_ptr<Mark> awaited = stream.items.front().awaits;
  if (awaited && !awaited->reached) return reach(lock, awaited);
  Item item = std::move(stream.items.front());
  stream.items.pop_front();
  if (item.work) {
    stream.running = true;
    lock.unlock();
    {
      const OnDevice onDevice(stream.device);
      if (status() == cudaSuccess) item.work();
      item.work = nullptr;
    }
    lock.lock();
    stream.running = false;
  }
  if (item.reaches) {
    item.reaches->time = std::chrono::steady_clock::now();
    item.reaches->reached = true;
  }
  changed.notify_all();
}

void reach(Lock& lock, const std::shared_ptr<Mark>& mark) {
  while (!mark->reached) {
    if (mark->stream->running) {
      changed.wait(lock);
    } else {
      runOldest(lock, *mark->stream);
    }
  }
}

std::shared_ptr<Mark> markEnd(EmulatedStream& stream) {
  const auto mark = std::make_shared<Mark>(Mark{&stream});
  stream.items.push_back({nullptr, mark, nullptr});
  return mark;
}

/// The same numbers for equal seeds.
std::uint32_t draw(std::uint32_t below) {
  std::uint64_t x = (draws++ + policy().seed * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 29) * 0x94d049bb133111ebu;
  return static_cast<std::uint32_t>(x >> 33) % below;
}

/// What the policy lets run when something was put into a stream.
void runSome(Lock& lock, EmulatedStream& stream) {
  if (policy().asynchrony == Asynchrony::earliest) return reach(lock, markEnd(stream));
  if (policy().asynchrony == Asynchrony::latest) return;
  while (draw(4) != 0) {
    EmulatedStream& other =
        *std::next(streams.begin(), draw(static_cast<std::uint32_t>(streams.size())))->first;
    if (!other.running && !other.items.empty()) runOldest(lock, other);
  }
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (const cudaError_t error = status()) return error;
  if (stream) {
    Lock lock(mutex);
    if (stream->capturing) {
      stream->captured.push_back(std::move(work));
    } else {
      stream->items.push_back({std::move(work), nullptr, nullptr});
      runSome(lock, *stream);
    }
  } else {
    work();
  }
  return status();
}

void complete(cudaStream_t stream) {
  if (!stream) return;
  Lock lock(mutex);
  if (!stream->capturing) reach(lock, markEnd(*stream));
}

int deviceOf(cudaStream_t stream) { return stream->device; }

void destroyStreams() {
  const auto isCurrent = [](const auto& one) { return one.first->device == currentDevice(); };
  Lock lock(mutex);
  changed.wait(lock, [&] {
    return std::none_of(streams.begin(), streams.end(),
                        [&](const auto& one) { return isCurrent(one) && one.first->running; });
  });
  for (const auto& [handle, stream] : streams) {
    if (stream->device != currentDevice()) continue;
    for (const Item& item : stream->items) {
      if (item.reaches) item.reaches->reached = true;  // who waits need not any more
    }
  }
  std::erase_if(streams, isCurrent);
  std::erase_if(graphs, isCurrent);
  std::erase_if(events, isCurrent);
  changed.notify_all();
}

}  // namespace ocrnet::emulation

using namespace ocrnet::emulation;

/// As a driver does it: what comes from memory that is not pinned is taken at once, and what goes there has
/// arrived when the call returns.
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const bool fromPageable = kind == cudaMemcpyHostToDevice && !isAllocated(from, bytes),
             toPageable = kind == cudaMemcpyDeviceToHost && !isAllocated(to, bytes);
  const auto* const first = static_cast<const std::byte*>(from);
  enqueue(stream, [=, taken = std::vector(first, first + (fromPageable ? bytes : 0))] {
    if ((!fromPageable && !isAllocated(from, bytes)) || (!toPageable && !isAllocated(to, bytes))) {
      return reportFault("cudaMemcpyAsync: copies what lies outside all memory");
    }
    std::memcpy(to, fromPageable ? taken.data() : from, bytes);
  });
  if (toPageable) complete(stream);
  return status();
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
  return enqueue(stream, [=] {
    if (!isAllocated(memory, bytes)) return reportFault("cudaMemsetAsync: sets what lies outside all memory");
    std::memset(memory, byte, bytes);
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return make(streams, stream, {}); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Lock lock(mutex);
  if (!streams.contains(stream)) return cudaErrorInvalidValue;  // a reset was first
  if (!stream->capturing) reach(lock, markEnd(*stream));
  streams.erase(stream);
  return status();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream && stream->capturing) return cudaErrorStreamCaptureUnsupported;
  complete(stream);
  return status();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock(mutex);
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  stream->capturing = true;
  return status();
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  std::vector<Work> captured;
  {
    const Lock lock(mutex);
    if (!stream->capturing) return cudaErrorStreamCaptureUnsupported;
    stream->capturing = false;
    captured = std::exchange(stream->captured, {});
  }
  return make(graphs, graph, {.work = std::move(captured)});
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return make(graphs, executable, *graph);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (stream && stream->capturing) return cudaErrorStreamCaptureUnsupported;
  for (const Work& work : executable->work) {
    if (const cudaError_t error = enqueue(stream, work)) return error;
  }
  return status();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return destroy(graphs, graph); }

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return cudaGraphDestroy(executable); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return make(events, event, {}); }

cudaError_t cudaEventDestroy(cudaEvent_t event) { return destroy(events, event); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Lock lock(mutex);
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  if (event->device != stream->device) return cudaErrorInvalidResourceHandle;
  event->mark = markEnd(*stream);
  runSome(lock, *stream);
  return status();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Lock lock(mutex);
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  if (event->mark && !policy().forgetsWaits) stream->items.push_back({nullptr, nullptr, event->mark});
  runSome(lock, *stream);
  return status();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Lock lock(mutex);
  if (const std::shared_ptr<Mark> mark = event->mark) reach(lock, mark);
  return status();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const Lock lock(mutex);
  if (!from->mark || !to->mark) return cudaErrorInvalidValue;
  if (!from->mark->reached || !to->mark->reached) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(to->mark->time - from->mark->time).count();
  return status();
}

// What surrounds kernels on an emulated GPU: faults that stay, graphs, streams and events, several GPUs.

#ifdef OCRNET_EMULATION

#include <cstdlib>
#include <optional>

#include "emulated-kernels.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::cuda;
using namespace ocrnet::test;

__global__ void increment(const int* in, int* out) { out[index()] += in[0] + 1; }

void requireRight(const Bench& bench) {
  launch<rightNeighbour>({dim3(kBlocks), kThreads, sizeof(Row)}, bench.stream(), bench.in, bench.out);
  const std::vector<int> results = bench.results();
  for (int i = 0; i < kInts; ++i) require(results[i] == neighbour(i), "a right kernel gives a wrong result");
}

void testFaultsStayUntilReset() {
  std::optional<Bench> faulty(std::in_place);
  const Bench& bench = *faulty;
  try {
    launch<endsEarly>({dim3(kBlocks), kThreads}, bench.stream(), bench.in, bench.out);
    check(cudaStreamSynchronize(bench.stream()));
  } catch (const Error&) {
  }
  void* memory = nullptr;
  cudaEvent_t event = nullptr;
  int number = 0;
  const auto requireFailure = [](cudaError_t error, const char* call) {
    require(error == cudaErrorLaunchFailure, std::string(call) + " forgets the fault");
    require(std::string(cudaGetErrorString(error)).find("endsEarly") != std::string::npos,
            std::string(call) + " does not tell the fault");
  };
  requireFailure(cudaGetLastError(), "cudaGetLastError");
  requireFailure(cudaStreamSynchronize(bench.stream()), "cudaStreamSynchronize");
  requireFailure(cudaMallocAsync(&memory, 16, bench.stream()), "cudaMallocAsync");
  requireFailure(cudaMallocHost(&memory, 16), "cudaMallocHost");
  requireFailure(cudaMemsetAsync(bench.out, 0, 16, bench.stream()), "cudaMemsetAsync");
  requireFailure(cudaMemcpyAsync(&number, bench.in, 4, cudaMemcpyDeviceToHost, bench.stream()),
                 "cudaMemcpyAsync");
  requireFailure(cudaEventCreateWithFlags(&event, 0), "cudaEventCreateWithFlags");
  cudaEventDestroy(event);
  try {
    launch<rightNeighbour>({dim3(1), kThreads, sizeof(Row)}, bench.stream(), bench.in, bench.out);
  } catch (const Error& error) {
    require(std::string(error.what()).find("endsEarly") != std::string::npos, "tells another fault");
    faulty.reset();  // resets the device: nothing that was made before is left
    return requireRight(Bench());
  }
  throw std::runtime_error("starts kernels after a fault");
}

void testGraphsReplay() {
  const Bench bench;
  const cudaStream_t stream = bench.stream();
  check(cudaMemsetAsync(bench.out, 0, kInts * sizeof(int), stream));
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  launch<increment>({dim3(kBlocks), kThreads}, stream, bench.in, bench.out);
  launch<increment>({dim3(kBlocks), kThreads}, stream, bench.in, bench.out);
  require(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported, "waits for what is captured");
  cudaGraph_t captured = nullptr;
  check(cudaStreamEndCapture(stream, &captured));
  const Graph graph(captured);
  cudaGraphExec_t instance = nullptr;
  check(cudaGraphInstantiate(&instance, graph.get(), 0));
  const GraphExecutable executable(instance);
  for (int runs = 0; runs <= 3; ++runs) {
    for (const int result : bench.results()) {
      require(result == 2 * runs,
              "after " + std::to_string(runs) + " runs of a graph that adds two: " + std::to_string(result));
    }
    check(cudaGraphLaunch(executable.get(), stream));
  }
}

// Streams

/// What is put into `later` from now on waits for what is in `earlier`.
void order(cudaStream_t earlier, cudaStream_t later) {
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming));
  const Event event(made);
  check(cudaEventRecord(made, earlier));
  check(cudaStreamWaitEvent(later, made, 0));
}

/// Which streams wait for which.
struct Waits {
  bool kernelForUpload = true, downloadForKernel = true, uploadForReader = true, kernelForDownload = true;
};

/// Numbers go up, through a kernel and back, each in a stream of its own, several times through the same
/// memory; whether they all come out right.
bool comesOutRight(const Policy& policy, const Waits& waits) {
  emulation::setPolicy(policy);
  const Bench bench;
  const Stream up = makeStream(0), down = makeStream(0);
  constexpr int kRounds = 4;
  const PinnedMemory given(kInts * sizeof(int)), taken(kRounds * kInts * sizeof(int));
  int* const numbers = reinterpret_cast<int*>(given.data());
  int* const results = reinterpret_cast<int*>(taken.data());
  for (int round = 0; round < kRounds; ++round) {
    check(cudaStreamSynchronize(up.get()));
    std::iota(numbers, numbers + kInts, round * 1000);
    if (waits.uploadForReader) order(bench.stream(), up.get());
    check(cudaMemcpyAsync(bench.in, numbers, kInts * sizeof(int), cudaMemcpyHostToDevice, up.get()));
    if (waits.kernelForUpload) order(up.get(), bench.stream());
    if (waits.kernelForDownload) order(down.get(), bench.stream());
    launch<rightNeighbour>({dim3(kBlocks), kThreads, sizeof(Row)}, bench.stream(), bench.in, bench.out);
    if (waits.downloadForKernel) order(bench.stream(), down.get());
    check(cudaMemcpyAsync(results + round * kInts, bench.out, kInts * sizeof(int), cudaMemcpyDeviceToHost,
                          down.get()));
  }
  for (const cudaStream_t stream : {up.get(), bench.stream(), down.get()}) {
    check(cudaStreamSynchronize(stream));
  }
  for (int i = 0; i < kRounds * kInts; ++i) {
    if (results[i] != i / kInts * 1000 + neighbour(i % kInts)) return false;
  }
  return true;
}

/// In how many policies of some seeds something comes out wrong.
int countWrong(const Waits& waits) {
  int count = 0;
  for (Policy policy : allPolicies()) {
    for (policy.seed = 1; policy.seed <= 5; ++policy.seed) count += !comesOutRight(policy, waits);
  }
  return count;
}

void testStreamsWait() {
  require(countWrong({}) == 0, "streams that wait for each other get something wrong");
  require(countWrong({.kernelForUpload = false}) > 0, "missed that a kernel does not wait for its input");
  require(countWrong({.downloadForKernel = false}) > 0, "missed that a copy does not wait for its kernel");
  require(countWrong({.uploadForReader = false}) > 0, "missed that a kernel's input is overwritten");
  require(countWrong({.kernelForDownload = false}) > 0, "missed that a kernel's output is overwritten");
  require(!comesOutRight({.forgetsWaits = true}, {}), "does not forget waits");
}

void testEventsAreReachedAlone() {
  emulation::setPolicy({.asynchrony = Asynchrony::latest});
  const Bench bench;
  const PinnedMemory memory(2 * sizeof(int));
  int* const numbers = reinterpret_cast<int*>(memory.data());
  numbers[0] = numbers[1] = -1;
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, 0));
  const Event event(made);
  check(cudaMemcpyAsync(numbers, bench.in + 5, sizeof(int), cudaMemcpyDeviceToHost, bench.stream()));
  check(cudaEventRecord(made, bench.stream()));
  check(cudaMemcpyAsync(numbers + 1, bench.in + 6, sizeof(int), cudaMemcpyDeviceToHost, bench.stream()));
  require(numbers[0] == -1, "a copy is there before anybody waits");
  float ms = 0;
  require(cudaEventElapsedTime(&ms, made, made) == cudaErrorNotReady, "an event is reached too early");
  check(cudaEventSynchronize(made));
  require(numbers[0] == 5 && numbers[1] == -1, "waiting for an event runs something else");
  check(cudaStreamSynchronize(bench.stream()));
  require(numbers[1] == 6, "waiting for a stream does not run all of it");
}

void testCopiesFindTheirMemory() {
  emulation::setPolicy({.asynchrony = Asynchrony::latest});
  const Bench bench;
  std::optional<PinnedMemory> pinned(std::in_place, sizeof(int));
  check(cudaMemcpyAsync(bench.out, pinned->data(), sizeof(int), cudaMemcpyHostToDevice, bench.stream()));
  pinned.reset();
  require(cudaStreamSynchronize(bench.stream()) == cudaErrorLaunchFailure,
          "copies from pinned memory that was freed");
}

void testGpusAreApart() {
  setenv("OCRNET_EMULATED_GPUS", "2", 1);
  {
    const Stream first = makeStream(0), second = makeStream(1);  // the second's GPU is current
    cudaEvent_t made = nullptr;
    check(cudaEventCreateWithFlags(&made, 0));
    const Event event(made);
    require(cudaEventRecord(made, first.get()) == cudaErrorInvalidResourceHandle,
            "records an event of another GPU");
    check(cudaEventRecord(made, second.get()));
    check(cudaStreamWaitEvent(first.get(), made, 0));  // may be another GPU's
    try {
      launch<rightNeighbour>({dim3(1), kThreads, sizeof(Row)}, first.get(), nullptr, nullptr);
      throw std::runtime_error("launches into a stream of a GPU that is not current");
    } catch (const Error& error) {
      require(std::string(error.what()).find("a stream of GPU 0 while GPU 1 is current") != std::string::npos,
              std::string("an unexpected fault: ") + error.what());
    }
    check(cudaSetDevice(0));
    requireRight(Bench());  // which resets the first GPU alone
    require(cudaSetDevice(1) == cudaSuccess && cudaGetLastError() == cudaErrorLaunchFailure,
            "a reset of one GPU makes another forget its fault");
    resetAfterFault(1);
    require(cudaGetLastError() == cudaSuccess, "does not forget a fault");
    try {
      second.get();
      throw std::runtime_error("a stream outlives the reset of its GPU");
    } catch (const Error&) {
    }
    first.get();  // of another
  }
  check(cudaSetDevice(0));
  unsetenv("OCRNET_EMULATED_GPUS");
}

}  // namespace

int main() {
  return runEmulationTests({
      {"faults stay until reset", testFaultsStayUntilReset},
      {"graphs replay", testGraphsReplay},
      {"streams wait", testStreamsWait},
      {"events are reached alone", testEventsAreReachedAlone},
      {"copies find their memory", testCopiesFindTheirMemory},
      {"GPUs are apart", testGpusAreApart},
  });
}

#else

#include <cstdio>

int main() {
  std::puts("nothing to test: this build uses a GPU");
  return 0;
}

#endif

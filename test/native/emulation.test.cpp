// Kernels with mistakes, each of which the emulation of a GPU (native/emulation) must find, and kernels
// without, which must give the same bits whatever it varies.

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef OCRNET_EMULATION

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/device/async-copy.h"
#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"
#include "cuda/memory.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::cuda;
using emulation::Asynchrony, emulation::Order, emulation::Policy;

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;  // what touches forbidden memory ends the process with its report
#else
constexpr bool kSanitized = false;
#endif

constexpr unsigned kThreads = 64, kBlocks = 3;
constexpr std::int64_t kInts = kThreads * kBlocks;

std::vector<Policy> allPolicies() {
  std::vector<Policy> all;
  for (const Asynchrony asynchrony : {Asynchrony::earliest, Asynchrony::latest, Asynchrony::random}) {
    for (const Order order : {Order::ascending, Order::descending, Order::random}) {
      all.push_back({asynchrony, order, 1});
    }
  }
  return all;
}

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

/// A stream, and numbers in the device's memory: 0, 1, 2 … to read, and as many to write.
class Bench {
 public:
  Bench() : stream_(makeStream(0)) {
    std::vector<int> numbers(kInts);
    std::iota(numbers.begin(), numbers.end(), 0);
    for (int** const memory : {&in, &out}) {
      void* allocated = nullptr;
      check(cudaMallocAsync(&allocated, kInts * sizeof(int), stream_.get()));
      *memory = static_cast<int*>(allocated);
    }
    check(cudaMemcpyAsync(in, numbers.data(), kInts * sizeof(int), cudaMemcpyHostToDevice, stream_.get()));
  }
  ~Bench() {
    for (int* const memory : {in, out}) cudaFreeAsync(memory, stream_.get());
    cudaDeviceReset();
  }

  cudaStream_t stream() const { return stream_.get(); }
  std::vector<int> results() const {
    std::vector<int> numbers(kInts);
    check(cudaMemcpyAsync(numbers.data(), out, kInts * sizeof(int), cudaMemcpyDeviceToHost, stream()));
    check(cudaStreamSynchronize(stream()));
    return numbers;
  }

  int *in = nullptr, *out = nullptr;

 private:
  Stream stream_;
};

using Kernel = void (*)(const int*, int*);

/// What comes of a kernel: its results, or the text of the fault.
struct Outcome {
  std::vector<int> results;
  std::string fault;
};

template <Kernel kernel>
Outcome run(const Policy& policy, std::size_t sharedBytes) {
  emulation::setPolicy(policy);
  Bench bench;
  try {
    launch<kernel>({dim3(kBlocks), kThreads, sharedBytes}, bench.stream(), bench.in, bench.out);
    return {bench.results(), ""};
  } catch (const Error& error) {
    require(std::string(error.code()) == "EXECUTION_FAILED", "a fault must be EXECUTION_FAILED");
    return {{}, error.what()};
  }
}

/// Under every policy a fault with all these words.
template <Kernel kernel>
void requireFault(std::size_t sharedBytes, const std::vector<std::string>& words) {
  for (const Policy& policy : allPolicies()) {
    const std::string fault = run<kernel>(policy, sharedBytes).fault;
    for (const std::string& word : words) {
      require(fault.find(word) != std::string::npos,
              "expected \"" + word + "\" in the fault, received \"" + fault + "\"");
    }
  }
}

/// In how many of the policies the results are others than expected, or there is a fault.
template <Kernel kernel>
int countNoticed(std::size_t sharedBytes, const std::function<int(int)>& expected) {
  int count = 0;
  for (const Policy& policy : allPolicies()) {
    const Outcome outcome = run<kernel>(policy, sharedBytes);
    bool same = outcome.fault.empty();
    for (int i = 0; same && i < kInts; ++i) same = outcome.results[i] == expected(i);
    count += !same;
  }
  return count;
}

__device__ int index() { return static_cast<int>(blockIdx.x * kThreads + threadIdx.x); }

struct Row {
  alignas(16) int of[kThreads];
};
/// The number of the next thread's, in its block.
int neighbour(int i) { return i / kThreads * kThreads + (i + 1) % kThreads; }

// Races

__global__ void rightNeighbour(const int* in, int* out) {
  auto& row = sharedMemory<Row>();
  row.of[threadIdx.x] = in[index()];
  __syncthreads();
  out[index()] = row.of[(threadIdx.x + 1) % kThreads];
}
__global__ void readsTooEarly(const int* in, int* out) {
  auto& row = sharedMemory<Row>();
  row.of[threadIdx.x] = in[index()];
  out[index()] = row.of[(threadIdx.x + 1) % kThreads];
}
__global__ void overwritesTooEarly(const int* in, int* out) {
  auto& row = sharedMemory<Row>();
  row.of[threadIdx.x] = in[index()];
  __syncthreads();
  out[index()] = row.of[(threadIdx.x + 1) % kThreads];
  row.of[threadIdx.x] = -1;
}

void testRacesShow() {
  require(countNoticed<rightNeighbour>(sizeof(Row), neighbour) == 0, "found a race where there is none");
  require(countNoticed<readsTooEarly>(sizeof(Row), neighbour) > 0, "missed that a barrier is missing");
  require(countNoticed<overwritesTooEarly>(sizeof(Row), neighbour) > 0,
          "missed that readers are not waited for");
}

// Meetings

__global__ void halfAtBarrier(const int*, int*) {
  if (threadIdx.x < kThreads / 2) __syncthreads();
}
__global__ void endsEarly(const int*, int*) {
  if (threadIdx.x == 5) return;
  __syncthreads();
}
__global__ void differentBarriers(const int*, int*) {
  if (threadIdx.x < 8) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void differentFunctions(const int* in, int* out) {
  if (threadIdx.x % 2 == 0) {
    out[index()] = __shfl_xor_sync(kAllLanes, in[index()], 2);
  } else {
    out[index()] = static_cast<int>(__ballot_sync(kAllLanes, in[index()] > 3));
  }
}
__global__ void halfAWarp(const int* in, int* out) {
  if (threadIdx.x % 2 == 0) out[index()] = __shfl_xor_sync(kAllLanes, in[index()], 2);
}
__global__ void outsideItsMask(const int* in, int* out) {
  out[index()] = __shfl_xor_sync(0x0000ffffu, in[index()], 1);
}
__global__ void readsOutsideItsMask(const int* in, int* out) {
  if (threadIdx.x < 16) out[index()] = __shfl_sync(0x0000ffffu, in[index()], 20);
}
__global__ void barrierAgainstWarp(const int* in, int* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else if (threadIdx.x < 40) {
    out[index()] = __shfl_xor_sync(kAllLanes, in[index()], 1);
  } else {
    __syncthreads();
  }
}

void testMeetingsAreWhole() {
  requireFault<halfAtBarrier>(0, {"halfAtBarrier, block (", "thread (", "__syncthreads"});
  requireFault<endsEarly>(0, {"endsEarly, block (", "thread (", "__syncthreads"});
  requireFault<differentBarriers>(0, {"differentBarriers, block (", "waits in __syncthreads of line",
                                      "while others wait in that of line"});
  requireFault<differentFunctions>(0, {"differentFunctions", "__shfl_xor_sync", "__ballot_sync", "diverge"});
  requireFault<halfAWarp>(0, {"halfAWarp", "wait", "__shfl_xor_sync"});
  requireFault<outsideItsMask>(0, {"outsideItsMask", "its mask lacks the thread's own lane"});
  requireFault<readsOutsideItsMask>(0, {"readsOutsideItsMask", "reads lane 20, which its mask lacks"});
  requireFault<barrierAgainstWarp>(0, {"barrierAgainstWarp", "__syncthreads"});
}

// Memory

__global__ void writesInFrontOfShared(const int*, int*) {
  auto& row = sharedMemory<Row>();
  row.of[static_cast<int>(threadIdx.x) - 1] = 1;
}
__global__ void readsFarBehindShared(const int*, int* out) {
  out[index()] = sharedMemory<Row>().of[threadIdx.x + 2000];
}
__global__ void readsUnwrittenShared(const int*, int* out) {
  out[index()] = sharedMemory<Row>().of[threadIdx.x];
}
__global__ void writesBehindGlobal(const int*, int* out) {
  if (index() == 70) out[2 * kInts] = 1;
}
__global__ void readsNull(const int*, int* out) {
  if (index() == 70) out[0] = *reinterpret_cast<const volatile int*>(std::uintptr_t{16});
}

void testMemoryIsBounded() {
  requireFault<rightNeighbour>(200, {"rightNeighbour, block (", "behind its shared memory of 200 bytes"});
  requireFault<writesInFrontOfShared>(sizeof(Row), {"in front of its shared memory of 256 bytes"});
  require(countNoticed<readsUnwrittenShared>(sizeof(Row), [](int) { return 0; }) == 9,
          "shared memory is not poisoned");
  if (kSanitized) return;
  requireFault<readsFarBehindShared>(sizeof(Row), {"readsFarBehindShared, block (", "outside all memory"});
  requireFault<writesBehindGlobal>(
      0, {"writesBehindGlobal, block (1, 0, 0), thread (6, 0, 0)", "outside all memory"});
  requireFault<readsNull>(0, {"readsNull, block (1, 0, 0), thread (6, 0, 0)", "0x10"});
}

// Asynchronous copies

struct TwoRows {
  alignas(16) int of[2][kThreads];
};

/// Starts to copy the thread's number into a row.
__device__ void copyNumber(TwoRows& rows, int row, const int* from) {
  copyAsync4(&rows.of[row][threadIdx.x], from, true);
  commitCopies();
}

/// The row's sum, by way of all threads.
__device__ int sumOf(const TwoRows& rows, int row) {
  int sum = 0;
  for (unsigned i = 0; i < kThreads; ++i) sum += rows.of[row][i];
  return sum;
}

/// The sums of all blocks' numbers, each block's copied while the one before is added up.
template <int awaited, bool waitsForReaders, bool endsInFlight = false>
__global__ void sumInStages(const int* in, int* out) {
  auto& rows = sharedMemory<TwoRows>();
  copyNumber(rows, 0, in + threadIdx.x);
  int sum = 0;
  for (unsigned block = 0; block < kBlocks; ++block) {
    const bool last = block + 1 == kBlocks;
    const int* const next = in + (block + 1) * kThreads + threadIdx.x;
    if (!waitsForReaders && !last) copyNumber(rows, (block + 1) % 2, next);
    last ? awaitCopies<0>() : awaitCopies<awaited + !waitsForReaders>();
    __syncthreads();
    if (waitsForReaders && !last) copyNumber(rows, (block + 1) % 2, next);
    sum += sumOf(rows, block % 2);
  }
  if (endsInFlight) copyNumber(rows, 0, in + threadIdx.x);
  out[index()] = sum;
}
__global__ void misalignedTarget(const int* in, int*) {
  copyAsync16(&sharedMemory<Row>().of[1], in, true);
  commitCopies();
  awaitCopies<0>();
}
__global__ void misalignedSource(const int* in, int*) {
  copyAsync16(&sharedMemory<Row>().of[0], in + 1, true);
  commitCopies();
  awaitCopies<0>();
}
__global__ void copiesBehindShared(const int* in, int*) {
  copyAsync4(&sharedMemory<Row>().of[threadIdx.x + 1], in, true);
  commitCopies();
  awaitCopies<0>();
}
__global__ void copiesToGlobal(const int* in, int* out) {
  copyAsync4(out, in, true);
  commitCopies();
  awaitCopies<0>();
}
__global__ void copiesFromOutside(const int* in, int*) {
  copyAsync4(&sharedMemory<Row>().of[threadIdx.x], in + kInts, true);
  commitCopies();
  awaitCopies<0>();
}
__global__ void fillsWithZeros(const int* in, int* out) {
  auto& row = sharedMemory<Row>();
  copyAsync4(&row.of[threadIdx.x], in + index(), threadIdx.x % 2 == 0);
  commitCopies();
  awaitCopies<0>();
  out[index()] = row.of[threadIdx.x];
}

void testCopiesLand() {
  const auto total = [](int) { return static_cast<int>(kInts * (kInts - 1) / 2); };
  const auto even = [](int i) { return i % 2 == 0 ? i : 0; };
  require(countNoticed<sumInStages<0, true>>(sizeof(TwoRows), total) == 0, "refuses stages that are right");
  require(countNoticed<fillsWithZeros>(sizeof(Row), even) == 0, "does not fill with zeros");
  require(countNoticed<sumInStages<1, true>>(sizeof(TwoRows), total) > 0, "missed a copy that nobody awaits");
  require(countNoticed<sumInStages<0, false>>(sizeof(TwoRows), total) > 0,
          "missed that a stage is filled before all have read it");
  require(countNoticed<sumInStages<0, true, true>>(sizeof(TwoRows), total) > 0,
          "missed copies that a kernel leaves on their way");
  requireFault<misalignedTarget>(sizeof(Row), {"misalignedTarget", "cp.async", "not a multiple of 16"});
  requireFault<misalignedSource>(sizeof(Row), {"misalignedSource", "cp.async", "not a multiple of 16"});
  requireFault<copiesBehindShared>(
      sizeof(Row), {"copiesBehindShared", "thread (63, 0, 0)", "outside the kernel's shared memory"});
  requireFault<copiesToGlobal>(sizeof(Row), {"copiesToGlobal", "outside the kernel's shared memory"});
  if (!kSanitized) requireFault<copiesFromOutside>(sizeof(Row), {"copiesFromOutside", "outside all memory"});
}

// Launches

void requireLaunchFault(const LaunchShape& shape, const std::string& words) {
  const Bench bench;
  try {
    launch<rightNeighbour>(shape, bench.stream(), bench.in, bench.out);
  } catch (const Error& error) {
    require(std::string(error.what()).find(words) != std::string::npos,
            "expected \"" + words + "\", received \"" + error.what() + "\"");
    return;
  }
  throw std::runtime_error("accepted a launch with " + words);
}

void testLaunchesAreLimited() {
  requireLaunchFault({dim3(1), 1025, 0}, "launched with 1025 threads");
  requireLaunchFault({dim3(1), 0, 0}, "launched with 0 threads");
  requireLaunchFault({dim3(1), 32, 227 * 1024 + 1}, "launched with 232449 bytes of shared memory");
  requireLaunchFault({dim3(0), 32, 0}, "launched with a grid of 0 × 1 × 1");
  requireLaunchFault({dim3(1, 65536), 32, 0}, "launched with a grid of 1 × 65536 × 1");
  requireLaunchFault({dim3(1, 1, 65536), 32, 0}, "launched with a grid of 1 × 1 × 65536");
}

// What surrounds kernels

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

struct ReductionRow {
  ReductionMemory<float, kThreads> memory;
};

/// Sums that only one order of additions gives to the bit.
__global__ void sumFloats(const int* in, int* out) {
  auto& shared = sharedMemory<ReductionRow>();
  const float share = 1 / (1 + static_cast<float>(in[index()]));
  const float sum =
      blockSum<kThreads>(share, shared.memory) - blockSum<kThreads>(share * share, shared.memory);
  out[index()] = static_cast<int>(__float_as_uint(sum));
}

void testRightKernelsAreDeterministic() {
  std::vector<int> first;
  for (const Policy& policy : allPolicies()) {
    const Outcome outcome = run<sumFloats>(policy, sizeof(ReductionRow));
    require(outcome.fault.empty(), "a right kernel faults: " + outcome.fault);
    if (first.empty()) first = outcome.results;
    require(outcome.results == first, "a right kernel gives other bits under another policy");
  }
}

}  // namespace

int main() {
  const std::pair<const char*, void (*)()> tests[] = {
      {"races show", testRacesShow},
      {"meetings are whole", testMeetingsAreWhole},
      {"memory is bounded", testMemoryIsBounded},
      {"copies land", testCopiesLand},
      {"launches are limited", testLaunchesAreLimited},
      {"faults stay until reset", testFaultsStayUntilReset},
      {"graphs replay", testGraphsReplay},
      {"streams wait", testStreamsWait},
      {"events are reached alone", testEventsAreReachedAlone},
      {"copies find their memory", testCopiesFindTheirMemory},
      {"GPUs are apart", testGpusAreApart},
      {"right kernels are deterministic", testRightKernelsAreDeterministic},
  };
  int failures = 0;
  for (const auto& [name, test] : tests) {
    try {
      test();
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", name, error.what());
      ++failures;
    }
  }
  std::printf("%zu tests, %d failures\n", std::size(tests), failures);
  return failures == 0 ? 0 : 1;
}

#else

int main() {
  std::puts("nothing to test: this build uses a GPU");
  return 0;
}

#endif

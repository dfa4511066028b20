#pragma once

// Runs kernels on an emulated GPU, as often as there are policies, on a few numbers; what comes of them.

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/device/shared.h"
#include "cuda/launch.h"
#include "cuda/memory.h"

namespace ocrnet::test {

using namespace ocrnet::cuda;
using emulation::Asynchrony, emulation::Order, emulation::Policy;

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;  // what touches forbidden memory ends the process with its report
#else
inline constexpr bool kSanitized = false;
#endif

inline constexpr unsigned kThreads = 64, kBlocks = 3;
inline constexpr std::int64_t kInts = kThreads * kBlocks;

inline std::vector<Policy> allPolicies() {
  std::vector<Policy> all;
  for (const Asynchrony asynchrony : {Asynchrony::earliest, Asynchrony::latest, Asynchrony::random}) {
    for (const Order order : {Order::ascending, Order::descending, Order::random}) {
      all.push_back({asynchrony, order, 1});
    }
  }
  return all;
}

inline void require(bool condition, const std::string& what) {
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

__device__ inline int index() { return static_cast<int>(blockIdx.x * kThreads + threadIdx.x); }

struct Row {
  alignas(16) int of[kThreads];
};
/// The number of the next thread's, in its block.
inline int neighbour(int i) { return i / kThreads * kThreads + (i + 1) % kThreads; }

inline __global__ void rightNeighbour(const int* in, int* out) {
  auto& row = sharedMemory<Row>();
  row.of[threadIdx.x] = in[index()];
  __syncthreads();
  out[index()] = row.of[(threadIdx.x + 1) % kThreads];
}
/// Which is a fault.
inline __global__ void endsEarly(const int*, int*) {
  if (threadIdx.x == 5) return;
  __syncthreads();
}

/// The exit code of the program.
inline int runEmulationTests(std::initializer_list<std::pair<const char*, void (*)()>> tests) {
  int failures = 0;
  for (const auto& [name, test] : tests) {
    try {
      test();
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", name, error.what());
      ++failures;
    }
  }
  std::printf("%zu tests, %d failures\n", tests.size(), failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace ocrnet::test

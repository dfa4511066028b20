// Kernels with mistakes, each of which the emulation of a GPU (native/emulation) must find, and kernels
// without, which must give the same bits whatever it varies.

#ifdef OCRNET_EMULATION

#include <cstring>

#include "cuda/device/async-copy.h"
#include "cuda/device/reduce.h"
#include "emulated-kernels.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::cuda;
using namespace ocrnet::test;

// Races

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

// Without a mistake

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
  return runEmulationTests({
      {"races show", testRacesShow},
      {"meetings are whole", testMeetingsAreWhole},
      {"memory is bounded", testMemoryIsBounded},
      {"copies land", testCopiesLand},
      {"launches are limited", testLaunchesAreLimited},
      {"right kernels are deterministic", testRightKernelsAreDeterministic},
  });
}

#else

#include <cstdio>

int main() {
  std::puts("nothing to test: this build uses a GPU");
  return 0;
}

#endif

// Hopper's instructions on an emulated GPU: a convolution that is made of them gives the right sums whatever
// the emulation varies, and each mistake is noticed.

#ifdef OCRNET_EMULATION

#include <array>

#include "emulated-hopper.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::cuda;
using namespace ocrnet::test;

// A convolution

template <class T>
void requireRight(const Convolution& of) {
  const std::vector<float> right = expected(of);
  for (const Policy& policy : allPolicies()) {
    emulation::setPolicy(policy);
    require(ConvolutionBench<T>(of).template run<Mistake::none>() == right,
            "a right kernel gives wrong sums");
  }
}

void testRightKernelsAreRight() {
  requireRight<BFloat16>({.images = 2, .height = 5, .width = 7, .channels = 72, .filters = 40});
  requireRight<Float16>({.images = 1, .height = 13, .width = 11, .channels = 64, .filters = 64, .stride = 2});
  requireRight<BFloat16>(
      {.images = 2, .height = 9, .width = 10, .channels = 8, .filters = 72, .padding = 2, .dilation = 2});
}

/// In how many of the policies there are wrong sums or a fault, which has all these words.
template <Mistake mistake>
int countNoticed(const std::vector<std::string>& words) {
  const Convolution of{.images = 1, .height = 8, .width = 9, .channels = 64, .filters = 64, .size = 2};
  const std::vector<float> right = expected(of);
  int count = 0;
  for (const Policy& policy : allPolicies()) {
    emulation::setPolicy(policy);
    ConvolutionBench<BFloat16> bench(of);
    try {
      count += bench.run<mistake>() != right;
    } catch (const Error& error) {
      requireWords(error.what(), words);
      ++count;
    }
  }
  return count;
}

/// Under every policy.
template <Mistake mistake>
void requireNoticed(const std::vector<std::string>& words = {}) {
  const int count = countNoticed<mistake>(words);
  require(count == 9, "missed mistake " + std::to_string(static_cast<int>(mistake)) + " under " +
                          std::to_string(9 - count) + " policies");
}

void testBarriersAreKept() {
  requireNoticed<Mistake::initialisesOneLess>({"convolve", "block (", "thread (0, 0, 0): mbarrier.arrive",
                                               "at byte 32776 of shared memory was not initialised"});
  requireNoticed<Mistake::initialisesTwice>({"is initialised already"});
  requireNoticed<Mistake::doesNotPublish>({"was not published to copies"});
  requireNoticed<Mistake::doesNotSynchronise>({"initialised"});
  requireNoticed<Mistake::announcesLess>(
      {"thread (0, 0, 0)", "has got 8192 bytes, more than were announced"});
  requireNoticed<Mistake::announcesMore>(
      {"thread 128 awaits phase 0 of the barrier at byte 32768", "lacks 0 of 1 threads and 128 bytes"});
  requireNoticed<Mistake::arrivesTwice>({"mbarrier.arrive", "counts 1 threads", "lacks 16384 bytes"});
  requireNoticed<Mistake::awaitsNoCopies>();
  requireNoticed<Mistake::awaitsOtherParity>();
  requireNoticed<Mistake::fillsOtherParity>({"thread 0 awaits phase 0 of the barrier at byte 32784"});
}

void testProductsAreAwaited() {
  requireNoticed<Mistake::awaitsNoProducts>({"ended with products of its warpgroup on their way"});
  requireNoticed<Mistake::lacksCommit>({"never committed"});
  requireNoticed<Mistake::lacksFence>({"lack a wgmma.fence"});
  require(countNoticed<Mistake::writesUnfenced>({"written since the last product"}) > 0,
          "missed sums that are written without a fence");
  require(countNoticed<Mistake::releasesEarly>({}) > 0,
          "missed a stage that is filled while it is multiplied");
  require(countNoticed<Mistake::storesBeforeAwaiting>({}) > 0, "missed sums that are read too early");
}

// Single copies

/// Of 8 rows of 32 floats, and what may be wrong with it.
struct Copy {
  CopiedPixel first = {0, 0, 0, 0};  // of a matrix: column and row are channel and x
  bool ofPixels = false;
  int right = 0, down = 0;
  int targetByte = 0, mapByte = 0;
  bool awaits = true;
};

struct CopiedRows {
  alignas(1024) float of[8][32];
  alignas(1024) TransactionBarrier barrier;
};

/// Of the two blocks of a cluster.
struct SharedBoxes {
  alignas(1024) float of[2][8][32];
  TransactionBarrier copied, read;
};

struct Maps {
  TensorMap matrix, pixels;
};

__global__ void copyOnce(const __grid_constant__ Maps maps, Copy copy, float* out) {
  auto& rows = sharedMemory<CopiedRows>();
  if (threadIdx.x == 0) {
    initialise(rows.barrier, 1);
    publishBarriers();
    arriveExpecting(rows.barrier, sizeof rows.of);
    auto* const to = reinterpret_cast<std::byte*>(rows.of) + copy.targetByte;
    const auto* const map = reinterpret_cast<const std::byte*>(copy.ofPixels ? &maps.pixels : &maps.matrix);
    const auto& moved = *reinterpret_cast<const TensorMap*>(map + copy.mapByte);
    if (copy.ofPixels) {
      copyPixels(to, moved, rows.barrier, copy.first, copy.right, copy.down);
    } else {
      copyRows(to, moved, rows.barrier, copy.first.channel, copy.first.x);
    }
    if (copy.awaits) awaitPhase(rows.barrier, 0);
  }
  __syncthreads();
  for (unsigned row = 0; row < 8; ++row) {
    out[row * 32 + threadIdx.x] = rows.of[row][(threadIdx.x / 4 ^ row) * 4 + threadIdx.x % 4];
  }
}

/// A matrix of 10 rows, of which each second is copied; they are also 5 × 2 pixels.
class CopyBench {
 public:
  static constexpr int kRows = 10, kColumns = 36, kBoxRows = 8, kBoxColumns = 32;

  explicit CopyBench(const Policy& policy) {
    emulation::setPolicy(policy);
    in_ = allocate<float>(kRows * kColumns);
    out_ = allocate<float>(kBoxRows * kBoxColumns);
    for (int i = 0; i < kRows * kColumns; ++i) in_[i] = static_cast<float>(numberAt(i, 1));
    constexpr auto kType = CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    const cuuint64_t row = kColumns * sizeof(float);
    const cuuint64_t sizes[] = {kColumns, kRows}, imageSizes[] = {kColumns, 5, 2, 1};
    const cuuint64_t imageStrides[] = {row, 5 * row, kRows * row};
    const cuuint32_t box[] = {kBoxColumns, 2 * kBoxRows}, steps[] = {1, 2}, imageSteps[] = {1, 1, 1, 1};
    const int corner[] = {0, 0};
    maps_.matrix = encodeMatrix(kType, in_, sizes, &row, box, steps);
    maps_.pixels =
        encodePixels(kType, in_, imageSizes, imageStrides, corner, corner, kBoxColumns, kBoxRows, imageSteps);
  }
  ~CopyBench() {
    freeSource();
    cudaFreeAsync(out_, nullptr);
    cudaDeviceReset();
  }

  void freeSource() {
    cudaFreeAsync(in_, nullptr);
    in_ = nullptr;
  }
  void loseMaps() { maps_ = {}; }

  std::vector<float> run(const Copy& copy) {
    launch<copyOnce>({dim3(1), kBoxColumns, sizeof(CopiedRows)}, nullptr, maps_, copy, out_);
    return {out_, out_ + kBoxRows * kBoxColumns};
  }

  template <auto kernel>
  std::vector<float> together(unsigned blocks) {
    launch<kernel>({dim3(blocks), kBoxColumns, sizeof(SharedBoxes), 2}, nullptr, maps_.matrix, out_);
    return {out_, out_ + blocks * kBoxColumns};
  }

 private:
  float *in_, *out_;
  Maps maps_;
};

void requireCopyFault(const Copy& copy, const std::string& words, void (CopyBench::*prepare)() = nullptr) {
  for (const Policy& policy : allPolicies()) {
    CopyBench bench(policy);
    if (prepare) (bench.*prepare)();
    std::string fault;
    try {
      bench.run(copy);
    } catch (const Error& error) {
      fault = error.what();
    }
    requireWords(fault, {"copyOnce, block (0, 0, 0), thread (", words});
  }
}

void testCopiesLand() {
  for (const Policy& policy : allPolicies()) {
    const std::vector<float> copied = CopyBench(policy).run({.first = {-3, -2, 0, 0}});
    for (int i = 0; i < static_cast<int>(copied.size()); ++i) {
      const int row = i / CopyBench::kBoxColumns * 2 - 2, column = i % CopyBench::kBoxColumns - 3;
      const bool there = row >= 0 && row < CopyBench::kRows && column >= 0;
      require(copied[i] == (there ? numberAt(row * CopyBench::kColumns + column, 1) : 0),
              "copied another box");
    }
  }
  requireCopyFault({.targetByte = 128}, "its address is not a multiple of 1024");
  requireCopyFault({.targetByte = 2048}, "outside the kernel's shared memory");
  requireCopyFault({.ofPixels = true, .right = 256}, "offsets of 256 and 0 cannot be encoded");
  requireCopyFault({.ofPixels = true, .down = -1}, "offsets of 0 and -1 cannot be encoded");
  requireCopyFault({.first = {0, -1, 0, 0}, .ofPixels = true}, "outside of its map's box, at (-1, 0)");
  requireCopyFault({.first = {0, 0, 2, 0}, .ofPixels = true}, "outside of its map's box, at (0, 2)");
  requireCopyFault({.mapByte = sizeof(TensorMap)}, "its map is for another kind of copies");
  if (!kSanitized) requireCopyFault({.mapByte = 8}, "its map is not at a multiple of 64");
  requireCopyFault({}, "its map was not encoded by the driver", &CopyBench::loseMaps);
  requireCopyFault({}, "outside of the allocated memory", &CopyBench::freeSource);
  requireCopyFault({.awaits = false}, "when the block ends");
}

// Clusters

enum class ClusterMistake { none, startsAlone, endsAlone, copiesTooFar };

/// Each block copies eight rows to both, and both add up all.
template <ClusterMistake mistake>
__global__ void sumTogether(const __grid_constant__ TensorMap map, float* out) {
  auto& boxes = sharedMemory<SharedBoxes>();
  const auto block = static_cast<int>(blockIdx.x % 2);
  if (threadIdx.x == 0) {
    initialise(boxes.copied, 1);
    initialise(boxes.read, 2);
    publishBarriers();
  }
  mistake == ClusterMistake::startsAlone ? __syncthreads() : synchroniseCluster();
  if (threadIdx.x == 0) {
    arriveExpecting(boxes.copied, sizeof boxes.of);
    constexpr unsigned kBlocks = mistake == ClusterMistake::copiesTooFar ? 7 : 3;
    copyRows<kBlocks>(boxes.of[block], map, boxes.copied, 0, 2 * block);
  }
  awaitPhase(boxes.copied, 0);
  float sum = 0;
  for (unsigned row = 0; row < 8; ++row) {
    for (const auto& rows : boxes.of) sum += rows[row][(threadIdx.x / 4 ^ row) * 4 + threadIdx.x % 4];
  }
  out[blockIdx.x * 32 + threadIdx.x] = sum;
  __syncwarp();
  if (threadIdx.x < 2) arriveAt(boxes.read, static_cast<int>(threadIdx.x));
  if (mistake == ClusterMistake::endsAlone) return;
  awaitPhase(boxes.read, 0);  // both have read, and arrive nowhere any more
  synchroniseCluster();
}

template <ClusterMistake mistake>
void requireClusterFault(const std::string& words) {
  int count = 0;
  for (const Policy& policy : allPolicies()) {
    try {
      CopyBench(policy).together<sumTogether<mistake>>(4);
    } catch (const Error& error) {
      requireWords(error.what(), {"sumTogether", words});
      ++count;
    }
  }
  require(count > 0, "missed a cluster's mistake");
}

void testClustersMeet() {
  for (const Policy& policy : allPolicies()) {
    const std::vector<float> sums = CopyBench(policy).together<sumTogether<ClusterMistake::none>>(4);
    for (int i = 0; i < static_cast<int>(sums.size()); ++i) {
      int sum = 0;
      for (int block = 0; block < 2; ++block) {
        for (int row = 2 * block; row < CopyBench::kRows; row += 2) {
          sum += numberAt(row * CopyBench::kColumns + i % CopyBench::kBoxColumns, 1);
        }
      }
      require(sums[i] == sum, "the blocks of a cluster copied something else to each other");
    }
  }
  requireClusterFault<ClusterMistake::startsAlone>("the barrier at byte");
  requireClusterFault<ClusterMistake::endsAlone>("ended");
  requireClusterFault<ClusterMistake::copiesTooFar>("goes to a block that the cluster has not");
  try {
    CopyBench({}).together<sumTogether<ClusterMistake::none>>(3);
  } catch (const Error& error) {
    return requireWords(error.what(), {"launched with clusters of 2 blocks in a grid of 3 across"});
  }
  throw std::runtime_error("launched half a cluster");
}

// Warpgroups

struct Together {
  std::uint64_t changes = 0;  // bits of A's descriptor
  bool differ = false, diverge = false;
  std::array<unsigned, 3> registers = {0, 0, 0};  // that each warpgroup sets, or 0
};

__global__ void multiplyOnce(Together together, float* out) {
  const std::uint64_t operand = swizzledOperand(&sharedMemory<Stages>());
  const unsigned registers = together.registers[threadIdx.x / kWarpgroupThreads];
  if (registers > 0) emulation::setRegisters(registers);
  const bool other = threadIdx.x == 5;
  if (together.diverge && other) __syncwarp();
  float sums[32];
  fenceProducts();
  multiplyAddTogether<Float16, 64>(sums, operand ^ together.changes,
                                   operandAt(operand, together.differ && other ? 32 : 0), false);
  commitProducts();
  awaitProducts<0>();
  out[threadIdx.x] = sums[0];
}

/// The text of a fault, or nothing.
std::string multiply(const Policy& policy, const Together& together, unsigned threads) {
  emulation::setPolicy(policy);
  auto* const out = allocate<float>(threads);
  std::string fault;
  try {
    launch<multiplyOnce>({dim3(1), threads, sizeof(Stages)}, nullptr, together, out);
  } catch (const Error& error) {
    fault = error.what();
  }
  cudaFreeAsync(out, nullptr);
  cudaDeviceReset();
  return fault;
}

void requireProductFault(const Together& together, unsigned threads, const std::string& words) {
  for (const Policy& policy : allPolicies()) requireWords(multiply(policy, together, threads), {words});
}

void testWarpgroupsAgree() {
  const auto change = [](int bit) { return Together{.changes = std::uint64_t{1} << bit}; };
  requireProductFault(change(63), 128, "A is not swizzled by 128 bytes");
  requireProductFault(change(32), 128, "A's eights of rows are not 1024 bytes apart");
  requireProductFault(change(3), 128, "A does not begin in the first of eight rows");
  requireProductFault({.changes = 7}, 128, "A exceeds its rows");
  requireProductFault(change(13), 128, "A lies outside the kernel's shared memory");
  requireProductFault({.differ = true}, 128, "threads multiply different operands");
  requireProductFault({.diverge = true}, 128, "wgmma.fence");
  requireProductFault({}, 96, "only 96 threads of the warpgroup");
  requireProductFault({.registers = {41, 0, 0}}, 384, "there cannot be 41 registers");
  requireProductFault({.registers = {0, 232, 232}}, 384, "setmaxnreg, for registers that others have");
  for (const Policy& policy : allPolicies()) {
    const std::string fault = multiply(policy, {.registers = {40, 232, 232}}, 384);
    require(fault.empty(), "refuses registers that others have yielded: " + fault);
  }
}

// The driver

struct PixelMap {
  cuuint64_t channels = 64, pixelStride = 128;
  int lower = -1, upper = -1;
  unsigned channelsPerPixel = 64, pixels = 64, step = 1;
  std::uintptr_t address = 256;
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
};

CUresult encode(decltype(&cuTensorMapEncodeIm2col) function, const PixelMap& map) {
  const cuuint64_t sizes[] = {map.channels, 8, 8, 2};
  const cuuint64_t strides[] = {map.pixelStride, 8 * map.pixelStride, 64 * map.pixelStride};
  const int lower[] = {map.lower, map.lower}, upper[] = {map.upper, map.upper};
  const cuuint32_t steps[] = {1, map.step, map.step, 1};
  CUtensorMap encoded;
  return function(&encoded, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, reinterpret_cast<void*>(map.address), sizes,
                  strides, lower, upper, map.channelsPerPixel, map.pixels, steps,
                  CU_TENSOR_MAP_INTERLEAVE_NONE, map.swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE,
                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

void testMapsAreLimited() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  const auto find = [&](const char* name) {
    check(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found));
  };
  find("cuTensorMapEncodeLinear");
  require(!function && found == cudaDriverEntryPointSymbolNotFound, "finds a function that there is not");
  find("cuTensorMapEncodeIm2col");
  require(function && found == cudaDriverEntryPointSuccess, "does not find a function that there is");
  const auto im2col = reinterpret_cast<decltype(&cuTensorMapEncodeIm2col)>(function);
  require(encode(im2col, {}) == CUDA_SUCCESS, "refuses a map that is right");
  const std::vector<PixelMap> wrong = {
      {.channels = 0},
      {.pixelStride = 136},
      {.pixelStride = 112},
      {.lower = -129},
      {.upper = 128},
      {.lower = 4, .upper = -4},
      {.channelsPerPixel = 128},
      {.pixels = 1025},
      {.step = 9},
      {.step = 0},
      {.address = 264},
      {.swizzle = CU_TENSOR_MAP_SWIZZLE_64B},
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    require(encode(im2col, wrong[i]) == CUDA_ERROR_INVALID_VALUE, "accepts wrong map " + std::to_string(i));
  }
}

}  // namespace

int main() {
  return runEmulationTests({
      {"right kernels are right", testRightKernelsAreRight},
      {"barriers are kept", testBarriersAreKept},
      {"clusters meet", testClustersMeet},
      {"products are awaited", testProductsAreAwaited},
      {"copies land", testCopiesLand},
      {"warpgroups agree", testWarpgroupsAgree},
      {"maps are limited", testMapsAreLimited},
  });
}

#else

#include <cstdio>

int main() {
  std::puts("nothing to test: this build uses a GPU");
  return 0;
}

#endif

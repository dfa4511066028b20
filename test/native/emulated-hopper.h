#pragma once

// A convolution made of Hopper's instructions, with the mistakes that the emulation of a GPU must notice, and
// what surrounds it.

#include <cuda.h>

#include <cstring>
#include <type_traits>

#include "cuda/device/cluster.h"
#include "cuda/device/element.h"
#include "cuda/device/tensor-copy.h"
#include "cuda/device/transaction-barrier.h"
#include "cuda/device/warpgroup.h"
#include "emulated-kernels.h"

namespace ocrnet::test {

struct Convolution {
  int images, height, width, channels, filters;
  int size = 3, stride = 1, padding = 1, dilation = 1;

  int outSize(int in) const { return (in + 2 * padding - dilation * (size - 1) - 1) / stride + 1; }
  int outPixels() const { return images * outSize(height) * outSize(width); }
  int depth() const { return size * size * channels; }
};

inline constexpr int kPixels = 64, kFilters = 64;  // of a block's tile
inline constexpr int kStages = 2, kDepth = 64;     // of a stage

struct Stages {
  struct alignas(1024) Rows {
    std::byte bytes[64][128];
  };
  Rows pixels[kStages], filters[kStages];
  TransactionBarrier full[kStages], empty[kStages];
};

enum class Mistake {
  none,
  initialisesOneLess,
  initialisesTwice,
  doesNotPublish,
  doesNotSynchronise,
  announcesLess,
  announcesMore,
  arrivesTwice,
  awaitsNoCopies,
  awaitsOtherParity,
  fillsOtherParity,
  releasesEarly,
  awaitsNoProducts,
  storesBeforeAwaiting,
  lacksFence,
  writesUnfenced,
  lacksCommit,
};

/// out[pixel][filter]. One thread copies, a warpgroup multiplies, each stage while the next is copied.
template <class T, Mistake mistake>
__global__ void convolve(const __grid_constant__ TensorMap pixels, const __grid_constant__ TensorMap filters,
                         Convolution of, float* out) {
  auto& stages = sharedMemory<Stages>();
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      if (mistake != Mistake::initialisesOneLess || i == 0) initialise(stages.full[i], 1);
      if (mistake == Mistake::initialisesTwice) initialise(stages.full[i], 1);
      initialise(stages.empty[i], 1);
    }
    if (mistake != Mistake::doesNotPublish) publishBarriers();
  }
  if (mistake != Mistake::doesNotSynchronise) __syncthreads();
  const int channelBlocks = (of.channels + kDepth - 1) / kDepth, steps = of.size * of.size * channelBlocks;
  if (threadIdx.x < kWarpgroupThreads) {
    yieldRegisters<40>();
    if (threadIdx.x > 0) return;
    const int width = of.outSize(of.width), height = of.outSize(of.height);
    const int first = static_cast<int>(blockIdx.x) * kPixels, row = first / width;
    for (int step = 0; step < steps; ++step) {
      const int stage = step % kStages, parity = step / kStages % 2;
      const int tap = step / channelBlocks, channel = step % channelBlocks * kDepth;
      auto& full = stages.full[stage];
      awaitPhase(stages.empty[stage], mistake == Mistake::fillsOtherParity ? parity : parity ^ 1);
      constexpr int kWrong = mistake == Mistake::announcesLess   ? -128
                             : mistake == Mistake::announcesMore ? 128
                                                                 : 0;
      arriveExpecting(full, sizeof(Stages::Rows) * 2 + kWrong);
      if (mistake == Mistake::arrivesTwice) arrive(full);
      const CopiedPixel from{channel, first % width * of.stride - of.padding,
                             row % height * of.stride - of.padding, row / height};
      copyPixels(&stages.pixels[stage], pixels, full, from, tap % of.size * of.dilation,
                 tap / of.size * of.dilation);
      copyRows(&stages.filters[stage], filters, full, tap * of.channels + channel,
               static_cast<int>(blockIdx.y) * kFilters);
    }
    return;
  }
  claimRegisters<232>();
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroupThreads;
  float sums[kFilters / 2];
  const auto release = [&](int step) {
    if (thread == 0) arrive(stages.empty[step % kStages]);
  };
  for (int step = 0; step < steps; ++step) {
    const int stage = step % kStages, parity = step / kStages % 2;
    if (mistake != Mistake::awaitsNoCopies) {
      awaitPhase(stages.full[stage], mistake == Mistake::awaitsOtherParity ? parity ^ 1 : parity);
    }
    if (mistake != Mistake::lacksFence) fenceProducts();
    const std::uint64_t a = swizzledOperand(&stages.pixels[stage]),
                        b = swizzledOperand(&stages.filters[stage]);
    for (int k = 0; k < kBoxRowBytes; k += kWarpgroupDepthBytes) {
      if (mistake == Mistake::writesUnfenced && k > 0) sums[step] = 1;
      multiplyAddTogether<T, kFilters>(sums, operandAt(a, k), operandAt(b, k), step + k > 0);
    }
    if (mistake != Mistake::lacksCommit) commitProducts();
    if (mistake == Mistake::releasesEarly) release(step);
    if (mistake != Mistake::awaitsNoProducts) awaitProducts<1>();
    if (mistake != Mistake::releasesEarly && step > 0) release(step - 1);
  }
  if (mistake != Mistake::storesBeforeAwaiting && mistake != Mistake::awaitsNoProducts) awaitProducts<0>();
  for (int i = 0; i < kFilters / 2; ++i) {
    const int pixel =
        static_cast<int>(blockIdx.x) * kPixels + thread / 32 * 16 + thread % 32 / 4 + i % 4 / 2 * 8;
    const int filter = static_cast<int>(blockIdx.y) * kFilters + i / 4 * 8 + thread % 4 * 2 + i % 2;
    if (pixel < of.outPixels() && filter < of.filters) out[pixel * of.filters + filter] = sums[i];
  }
  if (mistake == Mistake::storesBeforeAwaiting) awaitProducts<0>();
}

template <class T>
T* allocate(std::size_t count) {
  void* memory = nullptr;
  check(cudaMallocAsync(&memory, count * sizeof(T), nullptr));
  return static_cast<T*>(memory);
}

inline void requireWords(const std::string& fault, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    require(fault.find(word) != std::string::npos,
            "expected \"" + word + "\" in the fault, received \"" + fault + "\"");
  }
}

/// An integer, so that sums are exact; another for each `seed`.
inline int numberAt(int i, int seed) {
  return static_cast<int>((i * 2654435761u + seed * 40503u) >> 16) % 7 - 3;
}

inline TensorMap accepted(CUresult result, const CUtensorMap& encoded) {
  require(result == CUDA_SUCCESS, "the driver refuses a map");
  TensorMap map;
  std::memcpy(&map, &encoded, sizeof map);
  return map;
}

inline TensorMap encodeMatrix(CUtensorMapDataType type, void* first, const cuuint64_t* sizes,
                              const cuuint64_t* strides, const cuuint32_t* box, const cuuint32_t* steps) {
  CUtensorMap map;
  return accepted(
      cuTensorMapEncodeTiled(&map, type, 2, first, sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                             CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
      map);
}

inline TensorMap encodePixels(CUtensorMapDataType type, void* first, const cuuint64_t* sizes,
                              const cuuint64_t* strides, const int* lower, const int* upper,
                              cuuint32_t channels, cuuint32_t pixels, const cuuint32_t* steps) {
  CUtensorMap map;
  return accepted(
      cuTensorMapEncodeIm2col(&map, type, 4, first, sizes, strides, lower, upper, channels, pixels, steps,
                              CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                              CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
      map);
}

template <class T>
class ConvolutionBench {
 public:
  explicit ConvolutionBench(const Convolution& of) : of_(of) {
    pixels_ = fill(of.images * of.height * of.width * of.channels, 1);
    filters_ = fill(of.filters * of.depth(), 2);
    out_ = allocate<float>(of.outPixels() * of.filters);
    encodeImages();
    encodeFilters();
  }
  ~ConvolutionBench() {
    for (void* const memory :
         {static_cast<void*>(pixels_), static_cast<void*>(filters_), static_cast<void*>(out_)}) {
      cudaFreeAsync(memory, nullptr);
    }
    cudaDeviceReset();
  }

  template <Mistake mistake>
  std::vector<float> run() {
    const dim3 blocks((of_.outPixels() + kPixels - 1) / kPixels, (of_.filters + kFilters - 1) / kFilters);
    launch<convolve<T, mistake>>({blocks, 2 * kWarpgroupThreads, sizeof(Stages)}, nullptr, pixelMap_,
                                 filterMap_, of_, out_);
    check(cudaGetLastError());
    return {out_, out_ + of_.outPixels() * of_.filters};
  }

 private:
  T* fill(int count, int seed) {
    T* const numbers = allocate<T>(count);
    for (int i = 0; i < count; ++i) numbers[i] = fromFloat32<T>(numberAt(i, seed));
    return numbers;
  }

  static constexpr CUtensorMapDataType kType =
      std::is_same_v<T, Float16> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;

  void encodeImages() {
    const cuuint64_t pixel = of_.channels * sizeof(T), row = pixel * of_.width, image = row * of_.height;
    const cuuint64_t sizes[] = {cuuint64_t(of_.channels), cuuint64_t(of_.width), cuuint64_t(of_.height),
                                cuuint64_t(of_.images)};
    const cuuint64_t strides[] = {pixel, row, image};
    const int lower[] = {-of_.padding, -of_.padding}, reach = of_.padding - of_.dilation * (of_.size - 1);
    const int upper[] = {reach, reach};
    const auto step = static_cast<cuuint32_t>(of_.stride);
    const cuuint32_t steps[] = {1, step, step, 1};
    pixelMap_ = encodePixels(kType, pixels_, sizes, strides, lower, upper, kDepth, kPixels, steps);
  }

  void encodeFilters() {
    const cuuint64_t sizes[] = {cuuint64_t(of_.depth()), cuuint64_t(of_.filters)};
    const cuuint64_t strides[] = {of_.depth() * sizeof(T)};
    const cuuint32_t box[] = {kDepth, kFilters}, steps[] = {1, 1};
    filterMap_ = encodeMatrix(kType, filters_, sizes, strides, box, steps);
  }

  Convolution of_;
  T *pixels_, *filters_;
  float* out_;
  TensorMap pixelMap_, filterMap_;
};

inline std::vector<float> expected(const Convolution& of) {
  std::vector<float> out;
  for (int pixel = 0; pixel < of.outPixels(); ++pixel) {
    const int row = pixel / of.outSize(of.width), image = row / of.outSize(of.height);
    const int left = pixel % of.outSize(of.width) * of.stride - of.padding;
    const int top = row % of.outSize(of.height) * of.stride - of.padding;
    for (int filter = 0; filter < of.filters; ++filter) {
      int sum = 0;
      for (int tap = 0; tap < of.size * of.size; ++tap) {
        const int x = left + tap % of.size * of.dilation, y = top + tap / of.size * of.dilation;
        if (x < 0 || x >= of.width || y < 0 || y >= of.height) continue;
        for (int channel = 0; channel < of.channels; ++channel) {
          sum += numberAt(((image * of.height + y) * of.width + x) * of.channels + channel, 1) *
                 numberAt((filter * of.size * of.size + tap) * of.channels + channel, 2);
        }
      }
      out.push_back(static_cast<float>(sum));
    }
  }
  return out;
}

}  // namespace ocrnet::test

// Sums over pixels are cut into splits (region-sums.h), whose partial sums a second kernel adds. Features are
// read once for each 192 classes, which for 16384 pixels of 512 channels in bfloat16 takes an H200 4 µs, and
// the partial sums of 171 classes, 11 MB, stay in its second cache.

#include "cuda/device/activation.h"
#include "cuda/device/shared.h"
#include "cuda/ops/region-product.h"
#include "cuda/ops/region-sums.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

/// c (rows, columns) = a · b for each image and split of the depth.
template <class OperandA, class OperandB, class C>
struct Product {
  OperandA a;
  OperandB b;
  C* c;
  std::int64_t imageStrideA, imageStrideB, imageStrideC, splitStrideC;  // elements
  std::int64_t rowStride, columnStride;                                 // of c
  std::int64_t images, rows, columns, depth, splitDepth;
  bool pairs;  // of neighbouring columns may be written in one piece
  Epilogue epilogue;

  __host__ __device__ std::int64_t splits() const { return (depth + splitDepth - 1) / splitDepth; }
};

/// The types that a kernel's product is made of.
template <class Engine_, class A, bool packedA, Rows rowsOfA_, class B, bool packedB, Rows rowsOfB_, class C_>
struct Kinds {
  using Engine = Engine_;
  using C = C_;
  using OperandA = Operand<A, packedA>;
  using OperandB = Operand<B, packedB>;
  using Arguments = Product<OperandA, OperandB, C>;
  static constexpr Rows rowsOfA = rowsOfA_, rowsOfB = rowsOfB_;
  template <int tileRows>
  using CopyOfA = TileCopy<Engine, A, packedA, rowsOfA, tileRows>;
  using CopyOfB = TileCopy<Engine, B, packedB, rowsOfB, kTileColumns>;
  template <int tileRows>
  using Memory = ProductMemory<CopyOfA<tileRows>, CopyOfB>;
};

template <class Kinds, int tileRows>
__global__ void __launch_bounds__(kProductThreads, atOnce(2)) productKernel(typename Kinds::Arguments p) {
  using C = typename Kinds::C;
  using Engine = typename Kinds::Engine;
  using CopyOfA = typename Kinds::template CopyOfA<tileRows>;
  using CopyOfB = typename Kinds::CopyOfB;
  std::int64_t rest = blockIdx.x;
  const auto next = [&](std::int64_t count) {
    const std::int64_t index = rest % count;
    rest /= count;
    return index;
  };
  const std::int64_t firstColumn = next((p.columns + kTileColumns - 1) / kTileColumns) * kTileColumns;
  const std::int64_t firstRow = next((p.rows + tileRows - 1) / tileRows) * tileRows;
  const std::int64_t split = next(p.splits()), image = rest;
  p.a.data += image * p.imageStrideA;
  p.b.data += image * p.imageStrideB;
  C* const c = p.c + image * p.imageStrideC + split * p.splitStrideC;
  const std::int64_t firstDepth = split * p.splitDepth, restDepth = p.depth - firstDepth;
  const auto depth = static_cast<int>(restDepth < p.splitDepth ? restDepth : p.splitDepth);

  auto& memory = sharedMemory<typename Kinds::template Memory<tileRows>>();
  CopyOfA copyOfA(p.a, firstRow, firstDepth, memory.a);
  CopyOfB copyOfB(p.b, firstColumn, firstDepth, memory.b);
  TileSums<Engine, tileRows, kTileColumns> sums;
  sums.clear();
  overlapped((depth + Engine::kDepth - 1) / Engine::kDepth,
             [&](int step) {
               sums.template multiply<Kinds::rowsOfA, Kinds::rowsOfB, CopyOfA::kHalves, CopyOfB::kHalves>(
                   copyOfA.tile(step), copyOfB.tile(step));
             },
             copyOfA, copyOfB);
  sums.eachPair([&](int row, int column, float x0, float x1) {
    const std::int64_t restColumns = p.columns - firstColumn - column;
    if (firstRow + row >= p.rows || restColumns <= 0) return;
    C* const to = c + (firstRow + row) * p.rowStride + (firstColumn + column) * p.columnStride;
    const float results[2] = {activated(x0, p.epilogue), activated(x1, p.epilogue)};
    if (p.pairs && restColumns > 1) return storePack<2>(to, results);
    to[0] = fromFloat32<C>(results[0]);
    if (restColumns > 1) to[p.columnStride] = fromFloat32<C>(results[1]);
  });
}

template <class Kinds, int tileRows>
void enqueueTiles(typename Kinds::Arguments p, cudaStream_t stream) {
  using C = typename Kinds::C;
  p.pairs = p.columnStride == 1 && p.rowStride % 2 == 0 && p.imageStrideC % 2 == 0 &&
            p.splitStrideC % 2 == 0 && reinterpret_cast<std::uintptr_t>(p.c) % (2 * sizeof(C)) == 0;
  const std::int64_t blocks = divideUp(p.columns, std::int64_t{kTileColumns}) *
                              divideUp(p.rows, std::int64_t{tileRows}) * p.splits() * p.images;
  launch<productKernel<Kinds, tileRows>>({dim3(static_cast<unsigned>(blocks)), kProductThreads,
                                          sizeof(typename Kinds::template Memory<tileRows>)},
                                         stream, p);
}

/// With the least tile that has all rows, which are classes, or the largest that a block has memory for. What
/// comes in halves needs registers for them.
template <class Kinds>
void enqueueClasses(const Device& device, const typename Kinds::Arguments& p, cudaStream_t stream) {
  constexpr int kLargest = Kinds::CopyOfB::kHalves > 1 ? 128 : 192;
  if (p.rows <= 32) return enqueueTiles<Kinds, 32>(p, stream);
  if (p.rows <= 64 || sizeof(typename Kinds::template Memory<kLargest>) > device.sharedBytes) {
    return enqueueTiles<Kinds, 64>(p, stream);
  }
  enqueueTiles<Kinds, kLargest>(p, stream);
}

/// y (images, classes, channels) = the sums over the splits of partial (images, splits, classes,
/// paddedChannels).
template <class T>
__global__ void __launch_bounds__(kElementThreads)
    combineKernel(RegionSizes s, std::int64_t splits, std::int64_t paddedChannels, const float* partial,
                  T* y) {
  const std::int64_t i = packIndex(), imageElements = s.classes * s.channels;
  if (i >= s.images * imageElements) return;
  const std::int64_t row = i / s.channels, image = row / s.classes, c = row % s.classes;
  const std::int64_t splitFloats = s.classes * paddedChannels;
  const float* const from = partial + image * splits * splitFloats + c * paddedChannels + i % s.channels;
  float sum = 0;
#pragma unroll 8
  for (std::int64_t split = 0; split < splits; ++split) sum += from[split * splitFloats];
  y[i] = fromFloat32<T>(sum);
}

}  // namespace

void enqueueScores(const Device& device, DataType type, const RegionSizes& s, Source features,
                   const void* vectors, Target scores, cudaStream_t stream) {
  withFloatType(type, [&](auto element) {
    using T = decltype(element);
    const auto enqueue = [&]<bool packed>(std::bool_constant<packed>) {
      using Scores = Kinds<EngineFor<T>, T, packed, Rows::alongDepth, T, packed, Rows::alongDepth, float>;
      const typename Scores::Arguments product{
          .a = {static_cast<const T*>(vectors), s.channels, s.classes, s.channels},
          .b = {features.as<T>(), features.stride, s.pixels, s.channels},
          .c = static_cast<float*>(scores.data),
          .imageStrideA = s.classes * s.channels,
          .imageStrideB = s.pixels * features.stride,
          .imageStrideC = s.pixels * scores.stride,
          .splitStrideC = 0,
          .rowStride = 1,
          .columnStride = scores.stride,
          .images = s.images,
          .rows = s.classes,
          .columns = s.pixels,
          .depth = s.channels,
          .splitDepth = s.channels,
          .pairs = false,
          .epilogue = {}};
      if constexpr (packed) return enqueueClasses<Scores>(device, product, stream);
      enqueueTiles<Scores, 64>(product, stream);
    };
    const bool packed = fitsPacked<T>(features.data, features.stride, s.channels) &&
                        fitsPacked<T>(vectors, s.channels, s.channels);
    packed ? enqueue(std::true_type{}) : enqueue(std::false_type{});
  });
}

void enqueueMixture(const Device& device, DataType type, const RegionSizes& s, Source regions,
                    const void* vectors, Target y, Epilogue epilogue, cudaStream_t stream) {
  withMixedEngine(device, type, vectors, s.channels, s.channels, [&](auto element, auto engine, auto packed) {
    using T = decltype(element);
    using Mixture = Kinds<decltype(engine), float, false, Rows::alongDepth, T, decltype(packed)::value,
                          Rows::acrossDepth, T>;
    enqueueTiles<Mixture, 64>({.a = {regions.as<float>(), regions.stride, s.pixels, s.classes},
                               .b = {static_cast<const T*>(vectors), s.channels, s.classes, s.channels},
                               .c = static_cast<T*>(y.data),
                               .imageStrideA = s.pixels * regions.stride,
                               .imageStrideB = s.classes * s.channels,
                               .imageStrideC = s.pixels * y.stride,
                               .splitStrideC = 0,
                               .rowStride = y.stride,
                               .columnStride = 1,
                               .images = s.images,
                               .rows = s.pixels,
                               .columns = s.channels,
                               .depth = s.classes,
                               .splitDepth = s.classes,
                               .pairs = false,
                               .epilogue = epilogue},
                              stream);
  });
}

void enqueueSums(const Device& device, DataType type, const RegionSizes& s, Source regions, Source features,
                 void* y, float* scratch, cudaStream_t stream) {
  const Splits splits(s);
  withMixedEngine(device, type, features.data, features.stride, s.channels,
                  [&](auto element, auto engine, auto packed) {
                    using T = decltype(element);
                    using Sums = Kinds<decltype(engine), float, false, Rows::acrossDepth, T,
                                       decltype(packed)::value, Rows::acrossDepth, float>;
                    const typename Sums::Arguments product{
                        .a = {regions.as<float>(), regions.stride, s.pixels, s.classes},
                        .b = {features.as<T>(), features.stride, s.pixels, s.channels},
                        .c = scratch,
                        .imageStrideA = s.pixels * regions.stride,
                        .imageStrideB = s.pixels * features.stride,
                        .imageStrideC = splits.floats(s),
                        .splitStrideC = s.classes * splits.paddedChannels,
                        .rowStride = splits.paddedChannels,
                        .columnStride = 1,
                        .images = s.images,
                        .rows = s.classes,
                        .columns = s.channels,
                        .depth = s.pixels,
                        .splitDepth = splits.pixels,
                        .pairs = false,
                        .epilogue = {}};
                    if constexpr (decltype(packed)::value) {
                      enqueueClasses<Sums>(device, product, stream);
                    } else {
                      enqueueTiles<Sums, 64>(product, stream);
                    }
                    const PixelPacks elements{s.images * s.classes, s.channels};
                    launch<combineKernel<T>>(elements.shape(), stream, s, splits.count, splits.paddedChannels,
                                             scratch, static_cast<T*>(y));
                  });
}

std::size_t sumsScratchBytes(const RegionSizes& sizes) {
  return sizes.images * Splits(sizes).floats(sizes) * sizeof(float);
}

}  // namespace ocrnet::cuda

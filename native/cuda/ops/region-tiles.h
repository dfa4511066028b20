#pragma once

// Passes over maps of regions (pixels, classes) with numbers that belong to classes. A block of threads has a
// range of an image's pixels, and each thread one class of every rows()-th of them: neighbours in memory
// where the maps have no gaps, and what belongs to the class stays in the thread's registers.

#include <algorithm>

#include "cuda/device/reduce.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

struct RegionTiles {
  static constexpr int kThreads = 256;

  std::int64_t images, imagePixels, classes, blockPixels;

  /// The ranges depend on nothing but the tensor: sums over each, joined in their order, are the same on
  /// every GPU.
  static RegionTiles of(const TensorInfo& regions) {
    constexpr std::int64_t kMostBlocks = 128, kLeastPixels = 64;
    const std::int64_t pixels = regions.shape[1] * regions.shape[2];
    return {regions.shape[0], pixels, regions.channels(),
            std::max(kLeastPixels, divideUp(pixels, kMostBlocks))};
  }

  __host__ __device__ std::int64_t blocksOfImage() const {
    return (imagePixels + blockPixels - 1) / blockPixels;
  }
  std::int64_t blocks() const { return images * blocksOfImage(); }
  /// One for each class of each block.
  std::int64_t partFloats() const { return blocks() * classes; }
  LaunchShape shape(std::size_t sharedBytes = 0) const {
    return {dim3(static_cast<unsigned>(blocks()),
                 static_cast<unsigned>(divideUp(classes, std::int64_t{kThreads}))),
            kThreads, sharedBytes};
  }
  /// A warp for each class of each image, to join what its blocks found.
  LaunchShape joinShape() const {
    return {dim3(static_cast<unsigned>(divideUp(images * classes, std::int64_t{kThreads / kWarpLanes}))),
            kThreads};
  }

  __device__ int tileClasses() const { return static_cast<int>(classes < kThreads ? classes : kThreads); }
  __device__ int rows() const { return kThreads / tileClasses(); }
  __device__ int row() const { return static_cast<int>(threadIdx.x) / tileClasses(); }
  /// The thread's class, if `inside`.
  __device__ std::int64_t ownClass() const {
    return static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x % tileClasses();
  }
  __device__ bool inside() const { return row() < rows() && ownClass() < classes; }
  __device__ std::int64_t image() const { return blockIdx.x / blocksOfImage(); }
  /// Of what the block finds for the thread's class, among that of all blocks.
  __device__ std::int64_t partIndex() const { return blockIdx.x * classes + ownClass(); }

  /// body(pixel of the batch) for the thread's pixels.
  template <class Body>
  __device__ __forceinline__ void each(const Body& body) const {
    const std::int64_t first = blockIdx.x % blocksOfImage() * blockPixels, start = image() * imagePixels;
    const std::int64_t end = first + blockPixels < imagePixels ? first + blockPixels : imagePixels;
    const int step = rows();
#pragma unroll 4
    for (std::int64_t pixel = first + row(); pixel < end; pixel += step) body(start + pixel);
  }
};

/// The place of a warp of joinShape: (images, classes), and of what its image's blocks found.
struct RegionJoin {
  std::int64_t index, firstPart;

  __device__ explicit RegionJoin(const RegionTiles& tiles)
      : index(static_cast<std::int64_t>(blockIdx.x) * (RegionTiles::kThreads / kWarpLanes) +
              threadIdx.x / kWarpLanes),
        firstPart(index / tiles.classes * tiles.blocksOfImage() * tiles.classes + index % tiles.classes) {}

  /// body(index of the part) for the lane's parts.
  template <class Body>
  __device__ __forceinline__ void each(const RegionTiles& tiles, const Body& body) const {
    for (std::int64_t block = threadIdx.x % kWarpLanes; block < tiles.blocksOfImage(); block += kWarpLanes) {
      body(firstPart + block * tiles.classes);
    }
  }
};

}  // namespace ocrnet::cuda

#pragma once

#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

/// Packs of maps, for operations that ask where in its image a pixel lies.
struct MapPacks {
  std::int64_t count;
  Divisor rows, columns, packs;

  /// `elements` channels in a pack.
  MapPacks(const TensorInfo& map, std::int64_t elements)
      : MapPacks(map.shape[0], map.shape[1], map.shape[2], map.shape[3] / elements) {}
  MapPacks(std::int64_t images, std::int64_t rows, std::int64_t columns, std::int64_t packs)
      : count(images * rows * columns * packs), rows(rows), columns(columns), packs(packs) {}

  struct Place {
    std::int64_t pixel, image, row, column, pack;  // the pixel counts over all images
  };
  __device__ __forceinline__ Place place(std::int64_t index) const {
    Place p;
    p.pack = index;
    p.pixel = p.column = packs.split(p.pack);
    p.row = columns.split(p.column);
    p.image = rows.split(p.row);
    return p;
  }

  LaunchShape shape() const {
    return {dim3(static_cast<unsigned>(divideUp(count, std::int64_t{kElementThreads}))), kElementThreads};
  }
};

}  // namespace ocrnet::cuda

#pragma once

// For the source files that instantiate an element type each.

#include "cuda/conv/warpgroup-filter-gradient.h"

namespace ocrnet::cuda::conv {

template <class T, class Tile, Mistake mistake = Mistake::none>
void launchGradientTiles(const WarpgroupFilterGradient& gradient, int blocks, cudaStream_t stream) {
  const LaunchShape shape{dim3(static_cast<unsigned>(blocks)), Tile::threads, sizeof(WarpgroupMemory<Tile>),
                          Tile::cluster};
  launch<warpgroupFilterGradientKernel<T, Tile, mistake>>(shape, stream, gradient);
}

template <class T>
void launchWarpgroupFilterGradient(const WarpgroupFilterGradient& gradient, int columns, int blocks,
                                   cudaStream_t stream) {
  switch (columns) {
    case 64:
      return launchGradientTiles<T, GradientTile64>(gradient, blocks, stream);
    case 128:
      return launchGradientTiles<T, GradientTile128>(gradient, blocks, stream);
    case 192:
      return launchGradientTiles<T, GradientTile192>(gradient, blocks, stream);
    default:
      return launchGradientTiles<T, GradientTile256>(gradient, blocks, stream);
  }
}

}  // namespace ocrnet::cuda::conv

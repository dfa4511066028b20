#pragma once

// For the source files that instantiate an element type each.

#include "cuda/conv/warpgroup-gemm.h"

namespace ocrnet::cuda::conv {

template <class T, class Tile, Mistake mistake = Mistake::none>
void launchWarpgroupTiles(const WarpgroupGemm& gemm, int blocks, cudaStream_t stream) {
  const LaunchShape shape{dim3(static_cast<unsigned>(blocks)), Tile::threads, sizeof(WarpgroupMemory<Tile>),
                          Tile::cluster};
  launch<warpgroupGemmKernel<T, Tile, mistake>>(shape, stream, gemm);
}

template <class T>
void launchWarpgroupGemm(const WarpgroupGemm& gemm, int columns, int blocks, cudaStream_t stream) {
  switch (columns) {
    case 64:
      return launchWarpgroupTiles<T, GemmTile64>(gemm, blocks, stream);
    case 96:
      return launchWarpgroupTiles<T, GemmTile96>(gemm, blocks, stream);
    case 128:
      return launchWarpgroupTiles<T, GemmTile128>(gemm, blocks, stream);
    case 192:
      return launchWarpgroupTiles<T, GemmTile192>(gemm, blocks, stream);
    default:
      return launchWarpgroupTiles<T, GemmTile256>(gemm, blocks, stream);
  }
}

}  // namespace ocrnet::cuda::conv

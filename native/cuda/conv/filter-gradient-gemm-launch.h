#pragma once

// For the source files that instantiate a kind of products each.

#include "cuda/conv/filter-gradient-gemm.h"

namespace ocrnet::cuda::conv {

template <class Products, class Tile, int unit, Mistake mistake = Mistake::none>
void launchTiles(const FilterGradientGemm& gemm, int parts, cudaStream_t stream) {
  const int taps = gemm.vertical.taps * gemm.horizontal.taps;
  const int tiles = divideUp(gemm.outputs, Tile::rows) * divideUp(taps * gemm.paddedInputs, Tile::columns);
  const LaunchShape shape{
      dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(gemm.groups), static_cast<unsigned>(parts)),
      Tile::threads, sizeof(TileMemory<Tile>)};
  launch<filterGradientGemmKernel<Products, Tile, unit, mistake>>(shape, stream, gemm);
}

template <class Products>
void launchFilterGradientGemm(const FilterGradientGemm& gemm, bool large, int unit, int parts,
                              cudaStream_t stream) {
  if (unit == 16) {
    return large ? launchTiles<Products, LargeTile, 16>(gemm, parts, stream)
                 : launchTiles<Products, SmallTile, 16>(gemm, parts, stream);
  }
  if constexpr (sizeof(typename Products::Element) == 2) {
    if (unit == 2) return launchTiles<Products, SmallTile, 2>(gemm, parts, stream);
  }
  launchTiles<Products, SmallTile, 4>(gemm, parts, stream);
}

}  // namespace ocrnet::cuda::conv

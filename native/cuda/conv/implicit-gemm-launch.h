#pragma once

// For the source files that instantiate a kind of products each.

#include "cuda/conv/implicit-gemm.h"

namespace ocrnet::cuda::conv {

template <class Products, class Tile, int unit, Mistake mistake = Mistake::none>
void launchTiles(const ImplicitGemm& gemm, cudaStream_t stream) {
  const auto mostResults = [](const Axis& axis) { return divideUp(axis.results, axis.divisor); };
  const int rows = gemm.batch * mostResults(gemm.vertical) * mostResults(gemm.horizontal);
  const int tiles = divideUp(rows, Tile::rows) * divideUp(gemm.resultChannels, Tile::columns);
  const LaunchShape shape{dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(gemm.groups),
                               static_cast<unsigned>(gemm.vertical.divisor * gemm.horizontal.divisor)),
                          Tile::threads, sizeof(GemmMemory<Tile>)};
  launch<implicitGemmKernel<Products, Tile, unit, mistake>>(shape, stream, gemm);
}

template <class Products>
void launchImplicitGemm(const ImplicitGemm& gemm, bool large, int unit, cudaStream_t stream) {
  if (unit == 16) {
    return large ? launchTiles<Products, LargeTile, 16>(gemm, stream)
                 : launchTiles<Products, SmallTile, 16>(gemm, stream);
  }
  if constexpr (sizeof(typename Products::Element) == 2) {
    if (unit == 2) return launchTiles<Products, SmallTile, 2>(gemm, stream);
  }
  launchTiles<Products, SmallTile, 4>(gemm, stream);
}

}  // namespace ocrnet::cuda::conv

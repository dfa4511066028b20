#pragma once

// What the matrix products of convolutions have in common on the host: which products a device takes, how
// wide copies may be, how long a tile takes.

#include <cmath>
#include <initializer_list>
#include <string>

#include "core/integers.h"
#include "cuda/conv/products.h"
#include "cuda/device.h"
#include "plan/plan.h"

namespace ocrnet::cuda::conv {

template <class Tile>
inline constexpr bool kIsLarge = Tile::rows == LargeTile::rows;

/// With fewer channels in a group the tiles are empty: depthwise convolutions and the like.
inline constexpr int kFewestGroupChannels = 4;

/// Grids have at most so many blocks in y and in z.
inline constexpr int kMostGridHeight = 65535;

/// body(Products{}) of the kind that the device takes for activations of a type.
template <class Body>
auto withProducts(DataType type, const Device& device, const Body& body) {
  if (type == DataType::bfloat16) return body(BFloat16Products{});
  if (type == DataType::float16) return body(Float16Products{});
  return device.tf32 ? body(Tf32Products{}) : body(Float32Products{});
}

/// Bytes that one copy of elements moves where all `strides`, in elements, are multiples of it: 16, 4 or 2.
inline int copyUnitOf(std::int64_t elementBytes, std::initializer_list<std::int64_t> strides) {
  for (const int unit : {16, 4}) {
    bool fits = true;
    for (const std::int64_t stride : strides) fits = fits && stride * elementBytes % unit == 0;
    if (fits) return unit;
  }
  return static_cast<int>(elementBytes);
}

/// `unit`, or less where the addresses are no multiples of it.
inline int alignedUnit(int unit, std::int64_t elementBytes, std::initializer_list<const void*> addresses) {
  for (const void* const address : addresses) {
    while (reinterpret_cast<std::uintptr_t>(address) % unit != 0) {
      unit = unit == 16 ? 4 : static_cast<int>(elementBytes);
    }
  }
  return unit;
}

template <class Tile, class Products>
std::string gemmName(Products) {
  return std::string("implicit GEMM ") + Products::name + " " + std::to_string(Tile::rows) + "×" +
         std::to_string(Tile::columns);
}

/// Of so many tiles with so much depth each. Small tiles read twice as much for a product.
template <class Tile, class Products>
double gemmMicroseconds(Products, double blocks, double depth, const Device& device) {
  constexpr double kStartMicroseconds = 4, kSmallTileEfficiency = 0.6;
  constexpr double kEfficiency = kIsLarge<Tile> ? 1 : kSmallTileEfficiency;
  const double blocksOfOne = std::ceil(blocks / device.multiprocessors);
  return kStartMicroseconds +
         blocksOfOne * Tile::rows * Tile::columns * depth / (Products::productsPerMicrosecond * kEfficiency);
}

}  // namespace ocrnet::cuda::conv

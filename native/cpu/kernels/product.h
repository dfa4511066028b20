#pragma once

// Small matrix products: rows × vectors sums in registers, one step of the shared dimension at a time.
//
// The right operand is cut into panels: columns for kPanelVectors vectors (fewer in the last panel, rounded
// up to whole vectors), each panel with its rows one after another. The left operand may have any strides.

#include <cstdint>
#include <type_traits>

#include "cpu/simd.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// With them and one broadcast, kSums sums fill the registers.
inline constexpr int kPanelVectors = kRegisters == 32 ? 4 : 2;
inline constexpr int kSums = kRegisters == 32 ? 24 : 12;
inline constexpr int kPanelColumns = kPanelVectors * kLanes;

inline std::int64_t wholeVectors(std::int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

/// finish(row, vector, sum) for each vector of sums: Σ_s left[row · leftRow + s · leftStep] · panel[s].
template <int rows, int vectors, class Finish>
inline void productTile(const float* left, std::int64_t leftRow, std::int64_t leftStep, const float* panel,
                        std::int64_t steps, Finish finish) {
  Vec sums[rows][vectors];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v] = zero();
  }
#pragma GCC unroll 1
  for (std::int64_t s = 0; s < steps; ++s, left += leftStep, panel += vectors * kLanes) {
    Vec right[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) right[v] = load(panel + v * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      const Vec x = broadcast(left[r * leftRow]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = fma(x, right[v], sums[r][v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) finish(r, v, sums[r][v]);
  }
}

/// All rows of the product with one panel of so many vectors; finish(row, vector, sum).
template <int vectors, class Finish>
inline void productWithPanel(const float* left, std::int64_t leftRow, std::int64_t leftStep,
                             std::int64_t rows, const float* panel, std::int64_t steps,
                             const Finish& finish) {
  constexpr int most = kSums / vectors < 12 ? kSums / vectors : 12;
  std::int64_t row = 0;
  const auto tiles = [&](auto count) {
    for (; row + count <= rows; row += count) {
      productTile<count, vectors>(left + row * leftRow, leftRow, leftStep, panel, steps,
                                  [=](int r, int v, Vec sum) { finish(row + r, v, sum); });
    }
  };
  tiles(std::integral_constant<int, most>{});
  if constexpr (most > 4) tiles(std::integral_constant<int, 4>{});
  tiles(std::integral_constant<int, 2>{});
  tiles(std::integral_constant<int, 1>{});
}

/// The same for a number of vectors that is known at run time, 1 to kPanelVectors.
template <class Finish>
inline void productWithPanel(int vectors, const float* left, std::int64_t leftRow, std::int64_t leftStep,
                             std::int64_t rows, const float* panel, std::int64_t steps,
                             const Finish& finish) {
  switch (vectors) {
    case 1:
      return productWithPanel<1>(left, leftRow, leftStep, rows, panel, steps, finish);
    case 2:
      return productWithPanel<2>(left, leftRow, leftStep, rows, panel, steps, finish);
    default:
      break;
  }
  if constexpr (kPanelVectors == 4) {
    if (vectors == 3) return productWithPanel<3>(left, leftRow, leftStep, rows, panel, steps, finish);
    productWithPanel<4>(left, leftRow, leftStep, rows, panel, steps, finish);
  }
}

/// Vectors in the panel that starts at a column.
inline int vectorsOfPanel(std::int64_t column, std::int64_t columns) {
  const std::int64_t rest = columns - column;
  return rest >= kPanelColumns ? kPanelVectors : static_cast<int>((rest + kLanes - 1) / kLanes);
}

/// finish(row, column, sum) for each vector of left (rows, steps) · panels (steps, columns).
template <class Finish>
inline void product(const float* left, std::int64_t leftRow, std::int64_t leftStep, std::int64_t rows,
                    const float* panels, std::int64_t steps, std::int64_t columns, const Finish& finish) {
  for (std::int64_t column = 0; column < columns; column += kPanelColumns) {
    productWithPanel(vectorsOfPanel(column, columns), left, leftRow, leftStep, rows, panels + column * steps,
                     steps, [=](std::int64_t row, int v, Vec sum) { finish(row, column + v * kLanes, sum); });
  }
}

/// The same for a left operand whose rows are contiguous.
template <class Finish>
inline void product(const float* left, std::int64_t leftRow, std::int64_t rows, const float* panels,
                    std::int64_t steps, std::int64_t columns, const Finish& finish) {
  product(left, leftRow, 1, rows, panels, steps, columns, finish);
}

}  // namespace ocrnet::cpu::OCRNET_ISA

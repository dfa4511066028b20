#pragma once

#include <vector>

#include "core/range.h"

namespace ocrnet {

/// Cell i of an adaptive pooling's axis: see lib/ops/adaptive-average-pool2d.ts. With sizes exchanged, the
/// cells that position i lies in.
inline Range cellOf(std::int64_t i, std::int64_t cells, std::int64_t size) {
  return {i * size / cells, ((i + 1) * size + cells - 1) / cells};
}

/// All cells of an axis; with sizes exchanged, the cells that each position lies in.
inline std::vector<Range> cellsOf(std::int64_t cells, std::int64_t size) {
  std::vector<Range> result;
  for (std::int64_t i = 0; i < cells; ++i) result.push_back(cellOf(i, cells, size));
  return result;
}

/// What one pixel counts in the mean of each cell, row by row.
inline std::vector<float> cellShares(std::int64_t rows, std::int64_t columns, std::int64_t height,
                                     std::int64_t width) {
  std::vector<float> shares;
  for (const Range& row : cellsOf(rows, height)) {
    for (const Range& column : cellsOf(columns, width)) {
      shares.push_back(static_cast<float>(1.0 / static_cast<double>(row.size() * column.size())));
    }
  }
  return shares;
}

}  // namespace ocrnet

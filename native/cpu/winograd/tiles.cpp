#include "cpu/winograd/tiles.h"

#include <algorithm>

#include "core/integers.h"

namespace ocrnet::cpu::winograd {

namespace {

/// Rows in phase after phase, and which tiles they make. A gap is −1.
std::vector<std::int32_t> rowsByPhase(std::int64_t extent, std::int64_t dilation, bool startTiles) {
  std::vector<std::int32_t> rows;
  for (std::int64_t phase = 0; phase < std::min(dilation, extent); ++phase) {
    if (phase > 0 && !startTiles) rows.push_back(-1);
    for (std::int64_t row = phase; row < extent; row += dilation) {
      rows.push_back(static_cast<std::int32_t>(row));
    }
    if (startTiles) rows.resize(roundUp(rows.size(), std::size_t{kOutputTile}), -1);
  }
  rows.resize(roundUp(rows.size(), std::size_t{kOutputTile}), -1);
  return rows;
}

}  // namespace

TileAxis::TileAxis(std::int64_t inputs, std::int64_t outputs, std::int64_t dilation, std::int64_t padding) {
  std::vector<std::int32_t> rows = rowsByPhase(outputs, dilation, true);
  bool packed = false;
  if (padding == dilation) {
    std::vector<std::int32_t> dense = rowsByPhase(outputs, dilation, false);
    packed = dense.size() < rows.size();
    if (packed) rows = std::move(dense);
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  for (std::int64_t first = 0; first < count; first += kOutputTile) {
    Tile tile;
    std::copy_n(rows.begin() + first, kOutputTile, tile.outputs.begin());
    for (std::int64_t i = 0; i < kInputTile; ++i) {
      if (packed) {
        const std::int64_t at = first + i - 1;
        tile.inputs[i] = at >= 0 && at < count ? rows[at] : -1;
      } else {
        const std::int64_t row = tile.outputs[0] - padding + i * dilation;
        tile.inputs[i] = static_cast<std::int32_t>(row >= 0 && row < inputs ? row : -1);
      }
    }
    tiles_.push_back(tile);
  }
}

TileGrid::TileGrid(const Problem& problem)
    : problem_(problem),
      rows_(problem.height, problem.outputHeight(), problem.dilation, problem.padding),
      columns_(problem.width, problem.outputWidth(), problem.dilation, problem.padding) {}

void TileGrid::findInputs(std::int64_t tile, const float* x, const float* zeros, const float** pixels) const {
  const std::int64_t image = tile / (rows_.size() * columns_.size());
  const auto& rows = rows_[tile / columns_.size() % rows_.size()].inputs;
  const auto& columns = columns_[tile % columns_.size()].inputs;
  for (const std::int64_t row : rows) {
    const std::int64_t line = (image * problem_.height + row) * problem_.width;
    for (const std::int64_t column : columns) {
      *pixels++ = row >= 0 && column >= 0 ? x + (line + column) * problem_.inputPixelStride : zeros;
    }
  }
}

}  // namespace ocrnet::cpu::winograd

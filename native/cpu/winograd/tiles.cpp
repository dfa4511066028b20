#include "cpu/winograd/tiles.h"

#include "core/integers.h"

namespace ocrnet::cpu::winograd {

namespace {

/// The phases have extent / dilation rows, the first extent % dilation of them one more.
struct Phases {
  std::int64_t longer, longerTiles, tiles;

  Phases(std::int64_t extent, std::int64_t dilation)
      : longer(extent % dilation),
        longerTiles(divideUp(extent / dilation + 1, kOutputTile)),
        tiles(divideUp(extent / dilation, kOutputTile)) {}
};

std::int64_t tileCount(std::int64_t extent, std::int64_t dilation) {
  const Phases phases(extent, dilation);
  return phases.longer * phases.longerTiles + (dilation - phases.longer) * phases.tiles;
}

/// The first output row (or column) of a tile.
std::int64_t tileOrigin(std::int64_t tile, std::int64_t extent, std::int64_t dilation) {
  const Phases phases(extent, dilation);
  const std::int64_t inLonger = phases.longer * phases.longerTiles;
  if (tile < inLonger) return tile / phases.longerTiles + tile % phases.longerTiles * kOutputTile * dilation;
  tile -= inLonger;
  return phases.longer + tile / phases.tiles + tile % phases.tiles * kOutputTile * dilation;
}

}  // namespace

TileGrid::TileGrid(const Problem& problem)
    : problem_(problem),
      rows_(tileCount(problem.outputHeight(), problem.dilation)),
      columns_(tileCount(problem.outputWidth(), problem.dilation)) {}

TilePlace TileGrid::placeOf(std::int64_t tile) const {
  const std::int64_t rest = tile / columns_;
  return {rest / rows_, tileOrigin(rest % rows_, problem_.outputHeight(), problem_.dilation),
          tileOrigin(tile % columns_, problem_.outputWidth(), problem_.dilation)};
}

void TileGrid::findInputs(const TilePlace& place, const float* x, const float* zeros,
                          const float** pixels) const {
  for (std::int64_t i = 0; i < kInputTile; ++i) {
    const std::int64_t row = place.row - problem_.padding + i * problem_.dilation;
    const bool rowInside = row >= 0 && row < problem_.height;
    const std::int64_t line = (place.image * problem_.height + row) * problem_.width;
    for (std::int64_t j = 0; j < kInputTile; ++j) {
      const std::int64_t column = place.column - problem_.padding + j * problem_.dilation;
      const bool inside = rowInside && column >= 0 && column < problem_.width;
      *pixels++ = inside ? x + (line + column) * problem_.inputPixelStride : zeros;
    }
  }
}

void TileGrid::findOutputs(const TilePlace& place, const float* y, std::int64_t pixelStride,
                           const float* zeros, const float** pixels) const {
  const std::int64_t height = problem_.outputHeight(), width = problem_.outputWidth();
  for (std::int64_t i = 0; i < kOutputTile; ++i) {
    const std::int64_t row = place.row + i * problem_.dilation;
    for (std::int64_t j = 0; j < kOutputTile; ++j) {
      const std::int64_t column = place.column + j * problem_.dilation;
      const bool inside = row < height && column < width;
      *pixels++ = inside ? y + ((place.image * height + row) * width + column) * pixelStride : zeros;
    }
  }
}

}  // namespace ocrnet::cpu::winograd

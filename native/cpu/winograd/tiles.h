#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

/// The tiles along the rows (or columns) of an image.
///
/// Rows that are equal modulo the dilation are a phase: an undilated image of its own. Tiles start anew with
/// each phase, or, where that makes fewer of them, lie across all phases one behind the other, with a row of
/// zeros between two. That row is the padding of both: possible where the padding is the dilation. Phases of
/// 5 or 6 rows (dilation 24 of 128) are so covered by 38 tiles instead of 48.
class TileAxis {
 public:
  struct Tile {
    std::array<std::int32_t, kInputTile> inputs;    // rows of the input, or −1 for zeros
    std::array<std::int32_t, kOutputTile> outputs;  // rows of the output, or −1 for none
  };

  TileAxis(std::int64_t inputs, std::int64_t outputs, std::int64_t dilation, std::int64_t padding);

  std::int64_t size() const { return static_cast<std::int64_t>(tiles_.size()); }
  const Tile& operator[](std::int64_t tile) const { return tiles_[static_cast<std::size_t>(tile)]; }

 private:
  std::vector<Tile> tiles_;
};

/// The 4×4 tiles of a problem's output.
class TileGrid {
 public:
  explicit TileGrid(const Problem& problem);

  std::int64_t tiles() const { return problem_.batch * rows_.size() * columns_.size(); }

  /// The 6×6 input pixels of a tile; `zeros` stands for those of the padding.
  void findInputs(std::int64_t tile, const float* x, const float* zeros, const float** pixels) const;

  /// The 4×4 pixels of a tensor like the output, `pixelStride` elements apart; `absent` stands for those that
  /// there are not.
  template <class Float>
  void findOutputs(std::int64_t tile, Float* y, std::int64_t pixelStride, Float* absent,
                   Float** pixels) const {
    const std::int64_t image = tile / (rows_.size() * columns_.size());
    const auto& rows = rows_[tile / columns_.size() % rows_.size()].outputs;
    const auto& columns = columns_[tile % columns_.size()].outputs;
    for (const std::int64_t row : rows) {
      const std::int64_t line = (image * problem_.outputHeight() + row) * problem_.outputWidth();
      for (const std::int64_t column : columns) {
        *pixels++ = row >= 0 && column >= 0 ? y + (line + column) * pixelStride : absent;
      }
    }
  }

 private:
  Problem problem_;
  TileAxis rows_, columns_;  // of one image
};

}  // namespace ocrnet::cpu::winograd

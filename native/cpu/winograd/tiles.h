#pragma once

#include <cstdint>

#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

/// The first output pixel of a tile.
struct TilePlace {
  std::int64_t image, row, column;
};

/// The 4×4 tiles of a problem's output. Rows (and columns) of tiles are those of all dilation phases, one
/// after another.
class TileGrid {
 public:
  explicit TileGrid(const Problem& problem);

  std::int64_t tiles() const { return problem_.batch * rows_ * columns_; }
  TilePlace placeOf(std::int64_t tile) const;

  /// The 6×6 input pixels of a tile; `zeros` stands for those of the padding.
  void findInputs(const TilePlace& place, const float* x, const float* zeros, const float** pixels) const;

  /// The 4×4 pixels of a tensor like the output, `pixelStride` elements apart; `zeros` stands for those
  /// beyond its edges.
  void findOutputs(const TilePlace& place, const float* y, std::int64_t pixelStride, const float* zeros,
                   const float** pixels) const;

 private:
  Problem problem_;
  std::int64_t rows_, columns_;  // of one image
};

}  // namespace ocrnet::cpu::winograd

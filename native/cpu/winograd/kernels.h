#pragma once

#include <cstdint>

#include "core/activation.h"
#include "cpu/kernels-isa.h"

namespace ocrnet::cpu::winograd {

inline constexpr int kOutputTile = 4;  // m of F(m×m, 3×3)
inline constexpr int kInputTile = 6;   // m + 3 − 1
inline constexpr int kPoints =
    kInputTile * kInputTile;  // the products of one tile, channel and output channel
inline constexpr int kTaps = 9;
inline constexpr int kMaxPanelVectors = 4;

/// Where the transformed inputs V of some tiles lie. The channels are cut into blocks; inside a block all
/// that one matrix product reads is contiguous: V (channel block, point, tile, channel of the block).
struct InputLayout {
  int64_t channelBlock;  // channels of a block, a multiple of 16
  int64_t pointStride;   // floats between two of the 36 points
  int64_t blockStride;   // floats between two channel blocks
};

/// One tile's 4×4 outputs and what is applied to them on the way out.
struct OutputTile {
  const float* products;  // M (36, …, channels) of this tile
  int64_t pointStride;
  int64_t channels;
  const float* bias;      // (channels), or null
  const float* residual;  // of the tile's first pixel, or null
  int64_t residualRowStride, residualColumnStride;
  float* y;  // the tile's first pixel
  int64_t rowStride, columnStride;
  int64_t rows, columns;  // those of the 4×4 that are inside the image
  Activation activation;
  float slope;
};

/// The vectorised parts of the algorithm for one instruction set.
struct Kernels {
  int lanes;

  /// The best number of vectors in a panel of output channels, for so many output channels.
  int (*panelVectors)(int64_t channelsOut);

  /// V = Bᵀ d B of one tile: pixels are the 6×6 inputs (channels each).
  void (*transformInput)(const float* const* pixels, int64_t channels, float* v, const InputLayout& layout);

  /// U = G g Gᵀ of one panel: taps (channels, 9, panel) → u (36, channels, panel), points pointStride apart.
  void (*transformFilter)(const float* taps, int64_t channels, int64_t panel, float* u, int64_t pointStride);

  /// M (+)= V U for one point: v (tiles, channels), u (panels, channels, panel), m (tiles, panels · panel).
  /// Indexed by the number of vectors of a panel.
  void (*multiply[kMaxPanelVectors + 1])(const float* v, int64_t vStride, int64_t tiles, const float* u,
                                         int64_t uPanelStride, int64_t panels, int64_t channels, float* m,
                                         int64_t mStride, bool accumulate);

  /// Y = Aᵀ M A, bias, residual, activation.
  void (*transformOutput)(const OutputTile& tile);
};

const Kernels& kernelsFor(Isa isa);

}  // namespace ocrnet::cpu::winograd

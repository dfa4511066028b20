#pragma once

#include <cstdint>

#include "core/epilogue.h"
#include "cpu/isa.h"

namespace ocrnet::cpu::winograd {

inline constexpr int kOutputTile = 4;  // m of F(m×m, 3×3)
inline constexpr int kInputTile = 6;   // m + 3 − 1
/// The products of one tile, channel and output channel.
inline constexpr int kPoints = kInputTile * kInputTile;
inline constexpr int kTaps = 9;
inline constexpr int kMaxPanelVectors = 4;

/// Where the transformed inputs V of some tiles lie. The channels are cut into blocks; inside a block all
/// that one matrix product reads is contiguous: V (channel block, point, tile, channel of the block).
struct InputLayout {
  std::int64_t channelBlock;  // channels of a block, a multiple of 16
  std::int64_t pointStride;   // floats between two of the 36 points
  std::int64_t blockStride;   // floats between two channel blocks
};

/// One tile's 4×4 outputs and what is applied to them on the way out.
struct OutputTile {
  const float* products;  // M (36, …, channels) of this tile
  std::int64_t pointStride;
  std::int64_t channels;
  const float* bias;                                 // (channels), or null
  const float* residual[kOutputTile * kOutputTile];  // of each pixel that there is, or null
  float* y[kOutputTile * kOutputTile];               // pixels; null where there is none
  Epilogue epilogue;
};

/// The vectorised parts of the algorithm for one instruction set.
struct Kernels {
  int lanes;

  /// The best number of vectors in a panel of output channels, for so many output channels.
  int (*panelVectors)(std::int64_t channelsOut);

  /// V = Bᵀ d B of one tile: pixels are the 6×6 inputs (channels each).
  void (*transformInput)(const float* const* pixels, std::int64_t channels, float* v,
                         const InputLayout& layout);

  /// U = G g Gᵀ of one panel: taps (channels, 9, panel) → u (36, channels, panel), points pointStride apart.
  void (*transformFilter)(const float* taps, std::int64_t channels, std::int64_t panel, float* u,
                          std::int64_t pointStride);

  /// M (+)= V U for one point: v (tiles, channels), u (panels, channels, panel), m (tiles, panels · panel).
  /// Indexed by the number of vectors of a panel.
  void (*multiply[kMaxPanelVectors + 1])(const float* v, std::int64_t vStride, std::int64_t tiles,
                                         const float* u, std::int64_t uPanelStride, std::int64_t panels,
                                         std::int64_t channels, float* m, std::int64_t mStride,
                                         bool accumulate);

  /// Y = Aᵀ M A, bias, residual, activation.
  void (*transformOutput)(const OutputTile& tile);

  /// dM = A dy Aᵀ of one tile: pixels are the 4×4 gradients (channels each). Whole vectors are written.
  void (*transformGradient)(const float* const* pixels, std::int64_t channels, float* m,
                            std::int64_t pointStride);

  /// dU (+)= dMᵀ V for one point: m (tiles, rows), v (tiles, vectors), u (rows, vectors). Indexed by the
  /// number of vectors.
  void (*accumulate[kMaxPanelVectors + 1])(const float* m, std::int64_t mStride, std::int64_t rows,
                                           const float* v, std::int64_t vStride, std::int64_t tiles, float* u,
                                           std::int64_t uStride, bool accumulate);

  /// dg (+)= Gᵀ dU G of one output channel: u (36, channels) → taps (9, channels).
  void (*transformFilterGradient)(const float* u, std::int64_t pointStride, std::int64_t channels,
                                  float* taps, std::int64_t tapStride, bool accumulate);
};

const Kernels& kernelsFor(Isa isa);

}  // namespace ocrnet::cpu::winograd

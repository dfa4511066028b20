#pragma once

#include <cstddef>
#include <cstdint>

#include "core/range.h"
#include "cpu/device.h"

namespace ocrnet::cpu::winograd {

/// The sizes of a filter's gradient as sums U (point, output, channel) = Σ over terms of M (term, point,
/// output) · V (term, point, channel), from which the taps follow. Terms are pixels or tiles of pixels.
struct SumSizes {
  std::int64_t channelsIn, channelsOut, terms, taps;
  std::int64_t points, gradientPoints;  // of V and of M, which may have one M for all points

  // Cycles of one core to make a vector of V, of M (of all points, of one term), and to take one of U back.
  double inputCycles, gradientCycles, backCycles;
};

/// What makes the terms and takes the sums back. Many threads call it at once.
class SumTerms {
 public:
  virtual ~SumTerms() = default;
  /// V (point, term, channel) of some terms and channels.
  virtual void makeInputs(Range channels, Range terms, float* v, std::int64_t termStride,
                          std::int64_t pointStride) const = 0;
  /// M (point, term, output).
  virtual void makeGradients(Range outputs, Range terms, float* m, std::int64_t termStride,
                             std::int64_t pointStride) const = 0;
  /// taps (tap, channel) (+)= what U (point, channel) of one output stands for.
  virtual void takeBack(const float* u, std::int64_t pointStride, std::int64_t channels, float* taps,
                        std::int64_t tapStride, bool accumulate) const = 0;
};

/// Bytes of scratch; its address should be a multiple of 64.
std::size_t sumScratchBytes(const SumSizes& sizes, const Device& device);

/// dFilter (outputs, taps, channels). Depends on the number of threads, but on no race between them.
void runSums(const SumSizes& sizes, const SumTerms& terms, const Device& device, float* dFilter,
             void* scratch);

/// The time of runSums relative to that of a direct convolution's filter gradient of so many operations.
double sumRelativeCost(const SumSizes& sizes, const Device& device, double flops);

}  // namespace ocrnet::cpu::winograd

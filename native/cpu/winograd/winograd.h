#pragma once

#include <cstddef>
#include <cstdint>

#include "core/epilogue.h"
#include "cpu/device.h"

namespace ocrnet::cpu::winograd {

/// How a filter lies in memory: (channelsOut, 3, 3, channelsIn), or as the convolution has it whose input
/// gradient the problem is, (channelsIn, 3, 3, channelsOut) with the taps in reverse.
enum class FilterOrder { plain, transposed };

/// A 3×3 convolution of stride 1 in float32, NHWC. The padding is the same on all four sides; "same" is
/// padding = dilation. Pixels lie pixelStride elements apart (at least the channels), rows and images follow
/// without gaps: x, y and the residual may be channel slices of wider buffers.
struct Problem {
  std::int64_t batch, height, width;  // of the input
  std::int64_t channelsIn, channelsOut;
  std::int64_t dilation, padding;
  std::int64_t inputPixelStride, outputPixelStride, residualPixelStride;
  FilterOrder filterOrder = FilterOrder::plain;

  std::int64_t outputHeight() const { return height + 2 * padding - 2 * dilation; }
  std::int64_t outputWidth() const { return width + 2 * padding - 2 * dilation; }
};

struct Operands {
  const float* x;             // (batch, height, width, channelsIn)
  const float* packedFilter;  // as packFilter wrote it
  const float* bias;          // (channelsOut), or null
  const float* residual;      // as y, added before the activation; or null
  float* y;                   // (batch, outputHeight, outputWidth, channelsOut); may be the residual, never x
  Epilogue epilogue;
};

/// Bytes of the packed filter: those of the filter, with the output channels rounded up to whole panels.
std::size_t packedFilterBytes(const Problem& problem, const Device& device);

/// Reorders a filter for the device's kernels, and back. Only the two channel counts of the problem and the
/// order of its filter matter.
void packFilter(const Problem& problem, const Device& device, const float* filter, float* packed);
void unpackFilter(const Problem& problem, const Device& device, const float* packed, float* filter);

/// Bytes of the scratch that run needs; its address should be a multiple of 64 (slower, not wrong, if it is
/// not).
std::size_t scratchBytes(const Problem& problem, const Device& device);

/// y = activation(x ∗ filter + bias + residual).
void run(const Problem& problem, const Device& device, const Operands& operands, void* scratch);

/// The time of run relative to that of a direct convolution that reaches the processor's usual share of its
/// peak: estimated from the
/// problem's sizes alone, and 5 to 30 % too low.
double relativeCost(const Problem& problem, const Device& device);

}  // namespace ocrnet::cpu::winograd

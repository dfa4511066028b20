#pragma once

#include <cstddef>
#include <cstdint>

#include "core/activation.h"

namespace ocrnet::cpu::winograd {

/// A 3×3 convolution of stride 1 in float32, NHWC. The padding is the same on all four sides; "same" is
/// padding = dilation. Pixels lie pixelStride elements apart (at least the channels), rows and images follow
/// without gaps: x, y and the residual may be channel slices of wider buffers.
struct Problem {
  int64_t batch, height, width;  // of the input
  int64_t channelsIn, channelsOut;
  int64_t dilation, padding;
  int64_t inputPixelStride, outputPixelStride, residualPixelStride;

  int64_t outputHeight() const { return height + 2 * padding - 2 * dilation; }
  int64_t outputWidth() const { return width + 2 * padding - 2 * dilation; }
};

struct Operands {
  const float* x;             // (batch, height, width, channelsIn)
  const float* packedFilter;  // as packFilter wrote it
  const float* bias;          // (channelsOut), or null
  const float*
      residual;  // (batch, outputHeight, outputWidth, channelsOut), added before the activation; or null
  float* y;      // (batch, outputHeight, outputWidth, channelsOut); may be the residual, never x
  Activation activation;
  float slope;  // of leakyRelu
};

/// Bytes of the packed filter: those of the filter, with the output channels rounded up to whole panels.
size_t packedFilterBytes(const Problem& problem);

/// Reorders a filter for this processor's kernels. Only the two channel counts of the problem matter.
/// filter: (channelsOut, 3, 3, channelsIn).
void packFilter(const Problem& problem, const float* filter, float* packed);

/// Bytes of the scratch that run needs; its address should be a multiple of 64 (slower, not wrong, if it is
/// not).
size_t scratchBytes(const Problem& problem, int threads);

/// y = activation(x ∗ filter + bias + residual).
void run(const Problem& problem, const Operands& operands, void* scratch, int threads);

/// The time of run relative to that of a direct convolution that reaches the processor's usual share of its
/// peak: below 1, Winograd pays. Estimated from the problem's sizes alone.
double relativeCost(const Problem& problem, int threads);

}  // namespace ocrnet::cpu::winograd

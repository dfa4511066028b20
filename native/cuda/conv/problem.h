#pragma once

#include <cstdint>

#include "core/epilogue.h"
#include "cuda/conv/axis.h"
#include "cuda/op.h"

namespace ocrnet::cuda::conv {

/// Distances in a filter (O, kh, kw, I / groups), in elements, in the terms of a convolution's results and
/// sources.
struct FilterStrides {
  std::int64_t group, result, source, tap;
};

/// What is computed: result (N, H′, W′, R) = activation(source (N, H, W, S) ∗ filter + bias + residual), the
/// convolution or its input's gradient. Of the filter's gradient it is the convolution itself.
struct Problem {
  int batch, groups;
  Axis vertical, horizontal;
  int sourceChannels, resultChannels;  // of a group
  FilterStrides filter;
  DataType sourceType, resultType;
  std::int64_t sourceStride, resultStride, residualStride;  // of pixels
  bool wide;                     // pixels, of residuals too, begin at multiples of 16 bytes
  bool filterIsParameter;        // packed once; else it may change from run to run
  bool moments;                  // outputs 1 and 2 are those of the results
  int biasInput, residualInput;  // of the step; negative where it has none
  Epilogue epilogue;

  int taps() const { return vertical.taps * horizontal.taps; }
  std::int64_t sourcePixels() const {
    return static_cast<std::int64_t>(batch) * vertical.sources * horizontal.sources;
  }
  std::int64_t resultPixels() const {
    return static_cast<std::int64_t>(batch) * vertical.results * horizontal.results;
  }
  std::int64_t filterElements() const {
    return static_cast<std::int64_t>(groups) * resultChannels * sourceChannels * taps();
  }
  /// Multiplications of the convolution, those with padding included.
  double products() const {
    const std::int64_t pixels = vertical.divisor == 1 ? resultPixels() : sourcePixels();
    return static_cast<double>(pixels) * static_cast<double>(filterElements()) / groups;
  }
};

/// A conv2d's; a conv2dMoments has no epilogue.
Conv2dAttributes convolutionAttributes(const StepDescription& step);

/// Of steps of conv2d or conv2dMoments, conv2dInputGradient and conv2dFilterGradient. Throw
/// Error("UNSUPPORTED") where a number is beyond what the kernels count with.
Problem describeConvolution(const StepDescription& step);
Problem describeInputGradient(const StepDescription& step);
Problem describeFilterGradient(const StepDescription& step);

/// Inputs of conv2d and of conv2dInputGradient.
inline constexpr std::size_t kSourceInput = 0, kFilterInput = 1;

}  // namespace ocrnet::cuda::conv

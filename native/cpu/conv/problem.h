#pragma once

#include <compare>
#include <cstdint>

#include "core/epilogue.h"
#include "cpu/op.h"

namespace ocrnet::cpu::conv {

/// What is computed: y = activation(x ∗ filter + bias + residual), without where its tensors lie. Equal
/// layers of a network share one of these, and with it oneDNN's primitive.
struct Convolution {
  std::int64_t batch, height, width, channelsIn;
  std::int64_t outputHeight, outputWidth, channelsOut;
  std::int64_t kernelHeight, kernelWidth;
  std::int64_t stride, padding, dilation, groups;
  DataType inputType, outputType;
  bool bias, residual;
  Activation activation;
  std::uint32_t
      slopeBits;  // of the float: leakyRelu's slope, 0 for the others; an integer because NaN has no order

  auto operator<=>(const Convolution&) const = default;

  std::int64_t inputPixels() const { return batch * height * width; }
  std::int64_t outputPixels() const { return batch * outputHeight * outputWidth; }
  std::int64_t filterElements() const {
    return channelsOut * kernelHeight * kernelWidth * (channelsIn / groups);
  }
  double flops() const {
    return 2.0 * static_cast<double>(outputPixels()) * static_cast<double>(filterElements());
  }
  /// The part of the products that is not with padding.
  double insideShare() const;
  float slope() const;
};

/// A step's inputs in the order of conv2d's schema; a conv2dMoments has all but the residual.
enum Input : std::size_t { kX, kFilter, kBias, kResidual };

/// A convolution and its memory. A pixel stride is in elements, at least the tensor's channels: more for a
/// slice.
struct Problem {
  Convolution convolution;
  std::int64_t inputPixelStride, outputPixelStride, residualPixelStride;
  bool filterIsParameter;  // packed once; otherwise it may change from run to run
  /// The filter in memory is that of the convolution whose input gradient this is: (I, kh, kw, O / groups),
  /// its taps in reverse.
  bool filterIsTransposed = false;
  std::size_t residualInput = kResidual;

  bool inputIsSlice() const { return inputPixelStride != convolution.channelsIn; }
  bool outputIsSlice() const { return outputPixelStride != convolution.channelsOut; }
};

/// A conv2d.
Problem describeProblem(const StepDescription& description);

/// A conv2dMoments: the convolution of which it finds the moments.
Problem describeMoments(const StepDescription& description);

/// A conv2dInputGradient, as `convolution` itself: x and y are dx and dy, and so their strides.
Problem describeInputGradient(const StepDescription& description);

/// A conv2dInputGradient of stride 1 as what it is: a convolution of dy with the filter transposed and its
/// taps in reverse. Only where hasConvolutionForm.
Problem asConvolution(const Problem& inputGradient);
bool hasConvolutionForm(const Problem& inputGradient);

/// A conv2dFilterGradient: `convolution` is the forward one, the strides are those of x and dy.
Problem describeFilterGradient(const StepDescription& description);

}  // namespace ocrnet::cpu::conv

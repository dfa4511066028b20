#include "cpu/conv/problem.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/error.h"
#include "core/integers.h"

namespace ocrnet::cpu::conv {

float Convolution::slope() const { return std::bit_cast<float>(slopeBits); }

namespace {

/// Along one axis: of all pairs of an output and a tap, those whose input there is.
double insideAlong(std::int64_t inputs, std::int64_t outputs, std::int64_t kernel, const Convolution& c) {
  std::int64_t inside = 0;
  for (std::int64_t tap = 0; tap < kernel; ++tap) {
    const std::int64_t offset = tap * c.dilation - c.padding;  // of output 0's input
    const std::int64_t first = offset >= 0 ? 0 : divideUp(-offset, c.stride);
    const std::int64_t end = offset >= inputs ? 0 : std::min(outputs, divideUp(inputs - offset, c.stride));
    inside += std::max<std::int64_t>(end - first, 0);
  }
  return static_cast<double>(inside) / static_cast<double>(outputs * kernel);
}

}  // namespace

double Convolution::insideShare() const {
  return insideAlong(height, outputHeight, kernelHeight, *this) *
         insideAlong(width, outputWidth, kernelWidth, *this);
}

namespace {

/// The plain convolution of x with a filter into y.
Convolution plain(const auto& attributes, const TensorInfo& x, const TensorInfo& filter,
                  const TensorInfo& y) {
  return {
      .batch = x.shape[0],
      .height = x.shape[1],
      .width = x.shape[2],
      .channelsIn = x.shape[3],
      .outputHeight = y.shape[1],
      .outputWidth = y.shape[2],
      .channelsOut = y.shape[3],
      .kernelHeight = filter.shape[1],
      .kernelWidth = filter.shape[2],
      .stride = attributes.stride,
      .padding = attributes.padding,
      .dilation = attributes.dilation,
      .groups = attributes.groups,
      .inputType = x.dataType,
      .outputType = y.dataType,
      .bias = false,
      .residual = false,
      .activation = Activation::none,
      .slopeBits = 0,
  };
}

/// A step's x, filter and bias into its first output.
Problem withBias(const auto& attributes, const StepDescription& description) {
  const TensorInfo &x = *description.input(kX), &filter = *description.input(kFilter),
                   &y = *description.output(0);
  Problem problem{
      .convolution = plain(attributes, x, filter, y),
      .inputPixelStride = x.pixelStride,
      .outputPixelStride = y.pixelStride,
      .residualPixelStride = 0,
      .filterIsParameter = filter.storage == Storage::parameter,
  };
  problem.convolution.bias = description.input(kBias) != nullptr;
  return problem;
}

/// The gradients are there in float32 alone.
void requireFloat32(const TensorInfo& tensor) {
  if (tensor.dataType == DataType::float32) return;
  throw Error("UNSUPPORTED", "the gradients of convolutions need float32");
}

}  // namespace

Problem describeProblem(const StepDescription& description) {
  const auto& attributes = description.attributes<Conv2dAttributes>();
  Problem problem = withBias(attributes, description);
  const TensorInfo* residual = description.input(kResidual);
  Convolution& convolution = problem.convolution;
  convolution.residual = residual != nullptr;
  convolution.activation = attributes.activation;
  if (attributes.activation == Activation::leakyRelu) {
    convolution.slopeBits = std::bit_cast<std::uint32_t>(attributes.negativeSlope);
  }
  problem.residualPixelStride = residual ? residual->pixelStride : 0;
  return problem;
}

Problem describeMoments(const StepDescription& description) {
  return withBias(description.attributes<Conv2dMomentsAttributes>(), description);
}

Problem describeInputGradient(const StepDescription& description) {
  const TensorInfo& dy = *description.input(0);
  const TensorInfo& filter = *description.input(kFilter);
  const TensorInfo* residual = description.input(2);
  const TensorInfo& dx = *description.output(0);
  requireFloat32(dy);
  Problem problem{
      .convolution = plain(description.attributes<Conv2dInputGradientAttributes>(), dx, filter, dy),
      .inputPixelStride = dx.pixelStride,
      .outputPixelStride = dy.pixelStride,
      .residualPixelStride = residual ? residual->pixelStride : 0,
      .filterIsParameter = filter.storage == Storage::parameter,
      .residualInput = 2,
  };
  problem.convolution.residual = residual != nullptr;
  return problem;
}

bool hasConvolutionForm(const Problem& inputGradient) {
  const Convolution& c = inputGradient.convolution;
  return c.stride == 1 && c.kernelHeight == c.kernelWidth && c.padding <= c.dilation * (c.kernelHeight - 1);
}

Problem asConvolution(const Problem& inputGradient) {
  Problem problem = inputGradient;
  Convolution& c = problem.convolution;
  std::swap(c.height, c.outputHeight);
  std::swap(c.width, c.outputWidth);
  std::swap(c.channelsIn, c.channelsOut);
  std::swap(problem.inputPixelStride, problem.outputPixelStride);
  c.padding = c.dilation * (c.kernelHeight - 1) - c.padding;
  problem.filterIsTransposed = true;
  return problem;
}

Problem describeFilterGradient(const StepDescription& description) {
  const TensorInfo& x = *description.input(0);
  const TensorInfo& dy = *description.input(1);
  requireFloat32(x);
  return {
      .convolution =
          plain(description.attributes<Conv2dFilterGradientAttributes>(), x, *description.output(0), dy),
      .inputPixelStride = x.pixelStride,
      .outputPixelStride = dy.pixelStride,
      .residualPixelStride = 0,
      .filterIsParameter = false,
  };
}

}  // namespace ocrnet::cpu::conv

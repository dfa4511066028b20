#include "cuda/conv/problem.h"

#include <limits>

namespace ocrnet::cuda::conv {

namespace {

/// Sizes and positions are ints in the kernels, and so are sums of some of them.
int counted(std::int64_t number, const char* what) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max() / 4;
  if (number <= kMost) return static_cast<int>(number);
  throw Error("UNSUPPORTED", "the kernels for GPUs take at most " + std::to_string(kMost) + " " + what +
                                 ", received " + std::to_string(number));
}

void requireCounted(const Axis& axis) {
  counted(std::int64_t{axis.results} * axis.multiplier + axis.sources, "rows or columns with padding");
  counted(std::abs(std::int64_t{axis.step}) * axis.taps, "rows or columns under a kernel");
}

Axis axisOf(const auto& attributes, std::int64_t inputs, std::int64_t outputs, std::int64_t kernel) {
  const Axis axis{.results = counted(outputs, "rows or columns"),
                  .sources = counted(inputs, "rows or columns"),
                  .taps = counted(kernel, "rows or columns of a kernel"),
                  .multiplier = counted(attributes.stride, "rows or columns of stride"),
                  .offset = -counted(attributes.padding, "rows or columns of padding"),
                  .step = counted(attributes.dilation, "rows or columns of dilation"),
                  .divisor = 1};
  requireCounted(axis);
  return axis;
}

/// The same axis seen from the inputs.
Axis reversed(const Axis& axis) {
  return {.results = axis.sources,
          .sources = axis.results,
          .taps = axis.taps,
          .multiplier = 1,
          .offset = -axis.offset,
          .step = -axis.step,
          .divisor = axis.multiplier};
}

constexpr std::int64_t kWideBytes = 16;

bool isWide(const TensorInfo& tensor) {
  return tensor.offset % kWideBytes == 0 &&
         tensor.pixelStride * bytesPerElement(tensor.dataType) % kWideBytes == 0;
}

Problem convolutionOf(const auto& attributes, const TensorInfo& x, const TensorInfo& filter,
                      const TensorInfo& y) {
  const int groups = attributes.groups;
  const std::int64_t inputs = filter.shape[3], outputs = filter.shape[0] / groups;
  const std::int64_t taps = filter.shape[1] * filter.shape[2];
  const Problem problem{
      .batch = counted(x.shape[0], "images"),
      .groups = groups,
      .vertical = axisOf(attributes, x.shape[1], y.shape[1], filter.shape[1]),
      .horizontal = axisOf(attributes, x.shape[2], y.shape[2], filter.shape[2]),
      .sourceChannels = counted(inputs, "channels"),
      .resultChannels = counted(outputs, "channels"),
      .filter = {.group = outputs * taps * inputs, .result = taps * inputs, .source = 1, .tap = inputs},
      .sourceType = x.dataType,
      .resultType = y.dataType,
      .sourceStride = x.pixelStride,
      .resultStride = y.pixelStride,
      .residualStride = 0,
      .wide = isWide(x) && isWide(y),
      .filterIsParameter = filter.storage == Storage::parameter,
      .moments = false,
      .biasInput = -1,
      .residualInput = -1,
      .epilogue = {Activation::none, 0}};
  counted(problem.sourcePixels(), "pixels");
  counted(problem.resultPixels(), "pixels");
  counted(taps * inputs, "products of a result");
  counted(taps * outputs, "products of a result");
  counted(std::int64_t{groups} * std::max(inputs, outputs), "channels");
  return problem;
}

void setResidual(Problem& problem, const StepDescription& step, int input) {
  const TensorInfo* const residual = step.input(input);
  if (!residual) return;
  problem.residualInput = input;
  problem.residualStride = residual->pixelStride;
  problem.wide = problem.wide && isWide(*residual);
}

}  // namespace

Conv2dAttributes convolutionAttributes(const StepDescription& step) {
  if (step.step().opcode == Opcode::conv2d) return step.attributes<Conv2dAttributes>();
  const auto& window = step.attributes<Conv2dMomentsAttributes>();
  return {.stride = window.stride,
          .padding = window.padding,
          .dilation = window.dilation,
          .groups = window.groups,
          .activation = Activation::none,
          .negativeSlope = 0,
          .outputType = OutputType::same};
}

Problem describeConvolution(const StepDescription& step) {
  constexpr int kBias = 2, kResidual = 3;
  const Conv2dAttributes attributes = convolutionAttributes(step);
  Problem problem =
      convolutionOf(attributes, *step.input(kSourceInput), *step.input(kFilterInput), *step.output(0));
  if (step.input(kBias)) problem.biasInput = kBias;
  problem.moments = step.step().opcode == Opcode::conv2dMoments;
  if (!problem.moments) setResidual(problem, step, kResidual);
  problem.epilogue = {attributes.activation, attributes.negativeSlope};
  return problem;
}

Problem describeInputGradient(const StepDescription& step) {
  constexpr int kResidual = 2;
  const TensorInfo &dy = *step.input(kSourceInput), &dx = *step.output(0);
  Problem problem =
      convolutionOf(step.attributes<Conv2dInputGradientAttributes>(), dx, *step.input(kFilterInput), dy);
  problem.vertical = reversed(problem.vertical);
  problem.horizontal = reversed(problem.horizontal);
  std::swap(problem.sourceChannels, problem.resultChannels);
  std::swap(problem.filter.source, problem.filter.result);
  std::swap(problem.sourceStride, problem.resultStride);
  setResidual(problem, step, kResidual);
  return problem;
}

Problem describeFilterGradient(const StepDescription& step) {
  const TensorInfo& filter = *step.output(0);
  Problem problem = convolutionOf(step.attributes<Conv2dFilterGradientAttributes>(), *step.input(0), filter,
                                  *step.input(1));
  problem.wide = problem.wide && filter.offset % kWideBytes == 0;
  return problem;
}

}  // namespace ocrnet::cuda::conv

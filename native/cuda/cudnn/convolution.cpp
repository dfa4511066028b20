#include "cuda/cudnn/convolution.h"

#include <algorithm>

namespace ocrnet::cuda::cudnn {

namespace {

constexpr std::int64_t kMostAlignment = 16;

/// Plans say where in the arena or in a block of state a tensor begins; others have an allocation of their
/// own.
std::int64_t alignmentOf(const TensorInfo& tensor) {
  const std::uint64_t offset = tensor.offset | kMostAlignment;
  return static_cast<std::int64_t>(offset & -offset);
}

/// A map (N, H, W, C), or a filter (O, kh, kw, I), which lies like one.
Tensor tensorOf(const TensorInfo& tensor) {
  const auto [images, rows, columns, channels] = tensor.shape;
  const std::int64_t pixel = tensor.pixelStride;
  return {tensor.dataType,
          {images, channels, rows, columns},
          {rows * columns * pixel, 1, columns * pixel, pixel},
          alignmentOf(tensor)};
}

Convolution convolutionOf(Pass pass, const auto& attributes, const TensorInfo& x, const TensorInfo& filter,
                          const TensorInfo& y, bool tf32) {
  return {pass,
          tensorOf(x),
          tensorOf(filter),
          tensorOf(y),
          attributes.stride,
          attributes.padding,
          attributes.dilation,
          tf32 && x.dataType == DataType::float32};
}

conv::FilterForm filterFormOf(DataType type) {
  if (type == DataType::bfloat16) return conv::FilterForm::bfloat16;
  return type == DataType::float16 ? conv::FilterForm::float16 : conv::FilterForm::float32;
}

/// With the filter in the type that it is multiplied in.
Convolution withOperandFilter(Convolution c, DataType type) {
  if (c.filter.type == type) return c;
  c.filter.type = type;
  c.filter.alignment = kMostAlignment;
  return c;
}

}  // namespace

std::optional<ElementType> elementTypeOf(DataType type) {
  switch (type) {
    case DataType::float32:
      return ElementType::float32;
    case DataType::bfloat16:
      return ElementType::bfloat16;
    case DataType::float16:
      return ElementType::float16;
    default:
      return std::nullopt;
  }
}

Convolution describe(Pass pass, const StepDescription& step, const Device& device) {
  const TensorInfo &first = *step.input(0), &second = *step.input(1), &result = *step.output(0);
  switch (pass) {
    case Pass::forward:
      return withOperandFilter(
          convolutionOf(pass, conv::convolutionAttributes(step), first, second, result, device.tf32),
          first.dataType);
    case Pass::inputGradient:
      return withOperandFilter(convolutionOf(pass, step.attributes<Conv2dInputGradientAttributes>(), result,
                                             second, first, device.tf32),
                               first.dataType);
    case Pass::filterGradient:
      break;
  }
  return convolutionOf(pass, step.attributes<Conv2dFilterGradientAttributes>(), first, result, second,
                       device.tf32);
}

Tensor packed(Tensor tensor) {
  const auto [images, channels, rows, columns] = tensor.dimensions;
  tensor.strides = {rows * columns * channels, 1, columns * channels, channels};
  tensor.alignment = kMostAlignment;
  return tensor;
}

conv::FilterLayout filterLayout(const Convolution& convolution) {
  const auto [outputs, inputs, rows, columns] = convolution.filter.dimensions;
  const auto axis = [](std::int64_t taps) {
    return conv::Axis{.results = 0,
                      .sources = 0,
                      .taps = static_cast<int>(taps),
                      .multiplier = 1,
                      .offset = 0,
                      .step = 1,
                      .divisor = 1};
  };
  const std::int64_t taps = rows * columns;
  return {.vertical = axis(rows),
          .horizontal = axis(columns),
          .strides = {.group = 0, .result = taps * inputs, .source = 1, .tap = inputs},
          .groups = 1,
          .results = static_cast<int>(outputs),
          .sources = static_cast<int>(inputs),
          .channels = static_cast<int>(inputs),
          .depth = static_cast<int>(taps * inputs),
          .form = filterFormOf(convolution.filter.type)};
}

}  // namespace ocrnet::cuda::cudnn

#pragma once

// Convolutions and their gradients as cuDNN is asked for them.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "cuda/conv/packed-filter.h"
#include "cuda/cudnn/api.h"
#include "cuda/op.h"

namespace ocrnet::cuda::cudnn {

enum class Pass { forward, inputGradient, filterGradient };

/// Dimensions are (N, C, H, W), of filters (O, I, kh, kw), however they lie; strides count elements.
struct Tensor {
  DataType type;
  std::array<std::int64_t, 4> dimensions, strides;
  std::int64_t alignment;  // of its address in bytes, as far as cuDNN asks for it

  auto operator<=>(const Tensor&) const = default;
};

/// Equal ones run by the same plan. In gradients x and y are the gradients of x and y.
struct Convolution {
  Pass pass;
  Tensor x, filter, y;
  std::int64_t stride, padding, dilation;
  bool tf32;  // whether products of float32 may round them first

  auto operator<=>(const Convolution&) const = default;
};

/// Null where cuDNN has no such elements.
std::optional<ElementType> elementTypeOf(DataType type);

/// Of steps of conv2d, conv2dInputGradient and conv2dFilterGradient. The filter that is convolved with is of
/// the activations' type.
Convolution describe(Pass pass, const StepDescription& step, const Device& device);

/// The tensor as it would lie without gaps, at an address of its own.
Tensor packed(Tensor tensor);

/// What a filter becomes for cuDNN, which only takes one of the activations' type: itself in that type.
conv::FilterLayout filterLayout(const Convolution& convolution);

}  // namespace ocrnet::cuda::cudnn

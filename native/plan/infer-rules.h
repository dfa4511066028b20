#pragma once

// What the shape rules share: infer.cpp has those of what networks consist of, infer-training.cpp those of
// what training adds.

#include <initializer_list>

#include "core/error.h"
#include "plan/infer.h"

namespace ocrnet::rules {

using Shape = std::array<std::int64_t, 4>;
using Inputs = std::span<const TensorInfo* const>;

inline std::string formatType(const TensorInfo& tensor) { return ocrnet::formatType(typeOf(tensor)); }

inline void require(bool condition, const char* what, const TensorInfo& received) {
  if (!condition) throw Error("INVALID_PLAN", std::string(what) + ", received " + formatType(received));
}

inline void require(bool condition, const char* what, const TensorInfo& first, const TensorInfo& second) {
  if (condition) return;
  throw Error("INVALID_PLAN",
              std::string(what) + ", received " + formatType(first) + " and " + formatType(second));
}

inline void requirePositive(std::initializer_list<std::int64_t> values, const char* names) {
  for (const std::int64_t value : values) {
    if (value > 0) continue;
    throw Error("INVALID_PLAN",
                std::string("expected ") + names + " above zero, received " + std::to_string(value));
  }
}

inline bool isFloat(const TensorInfo& tensor) {
  return tensor.dataType == DataType::float32 || tensor.dataType == DataType::bfloat16 ||
         tensor.dataType == DataType::float16;
}

/// An activation: (N, H, W, C) in float32, bfloat16 or float16.
inline const TensorInfo& activation(const TensorInfo* tensor) {
  require(tensor->rank == 4 && isFloat(*tensor), "expected a float (N, H, W, C)", *tensor);
  return *tensor;
}

inline void requireVector(const TensorInfo* tensor, std::int64_t channels) {
  if (tensor == nullptr) return;
  require(tensor->dataType == DataType::float32 && tensor->rank == 1 && tensor->shape[0] == channels,
          ("expected float32[" + std::to_string(channels) + "]").c_str(), *tensor);
}

inline void requireSameType(const TensorInfo& a, const TensorInfo* b) {
  if (b != nullptr) require(typeOf(a) == typeOf(*b), "expected equal types", a, *b);
}

inline void requireLabels(const TensorInfo& labels) {
  require((labels.dataType == DataType::uint8 || labels.dataType == DataType::uint16) && labels.rank == 3,
          "expected labels (N, H, W) in uint8 or uint16", labels);
}

inline void requireResidual(const TensorInfo* residual, const TensorType& y) {
  if (residual == nullptr) return;
  require(typeOf(*residual) == y, ("expected a residual of the output's type " + formatType(y)).c_str(),
          *residual);
}

inline TensorType nhwc(DataType type, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return {type, 4, {n, h, w, c}};
}

inline DataType dataTypeOf(FloatType type) {
  switch (type) {
    case FloatType::float32:
      return DataType::float32;
    case FloatType::bfloat16:
      return DataType::bfloat16;
    case FloatType::float16:
      return DataType::float16;
  }
  throw Error("INVALID_PLAN", "expected a float type");
}

struct Window {
  std::int64_t stride, padding, dilation = 1;
  bool ceilMode = false;
};

/// Output size of a sliding window, as PyTorch counts it: windowCount in lib/ops/shapes.ts.
inline std::int64_t windowCount(std::int64_t size, std::int64_t kernel, const Window& window) {
  const auto [stride, padding, dilation, ceilMode] = window;
  const std::int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  const std::int64_t count = (ceilMode ? (room + stride - 1) / stride : room / stride) + 1;
  return ceilMode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

// Asked by the rules of their gradients and of what takes their place in training.
std::vector<TensorType> infer(const AttendCrissCrossAttributes&, Inputs);
std::vector<TensorType> infer(const AttendPixelsAttributes&, Inputs);
std::vector<TensorType> infer(const AttendRegionsAttributes&, Inputs);
std::vector<TensorType> infer(const Conv2dAttributes&, Inputs);
std::vector<TensorType> infer(const MaxPool2dAttributes&, Inputs);

std::vector<TensorType> infer(const AllReduceAttributes&, Inputs);
std::vector<TensorType> infer(const AccumulateAttributes&, Inputs);
std::vector<TensorType> infer(const ActivateGradientAttributes&, Inputs);
std::vector<TensorType> infer(const AdamWAttributes&, Inputs);
std::vector<TensorType> infer(const AdaptiveAveragePool2dGradientAttributes&, Inputs);
std::vector<TensorType> infer(const AdjustLossScaleAttributes&, Inputs);
std::vector<TensorType> infer(const AttendCrissCrossGradientAttributes&, Inputs);
std::vector<TensorType> infer(const AttendPixelsGradientAttributes&, Inputs);
std::vector<TensorType> infer(const AttendRegionsGradientAttributes&, Inputs);
std::vector<TensorType> infer(const BatchNormGradientAttributes&, Inputs);
std::vector<TensorType> infer(const BatchNormTrainingAttributes&, Inputs);
std::vector<TensorType> infer(const ChannelSumsAttributes&, Inputs);
std::vector<TensorType> infer(const Conv2dFilterGradientAttributes&, Inputs);
std::vector<TensorType> infer(const Conv2dInputGradientAttributes&, Inputs);
std::vector<TensorType> infer(const Conv2dMomentsAttributes&, Inputs);
std::vector<TensorType> infer(const CrossEntropyAttributes&, Inputs);
std::vector<TensorType> infer(const DotProductAttributes&, Inputs);
std::vector<TensorType> infer(const DropoutAttributes&, Inputs);
std::vector<TensorType> infer(const GlobalNormAttributes&, Inputs);
std::vector<TensorType> infer(const JoinAttributes&, Inputs);
std::vector<TensorType> infer(const MaxPool2dGradientAttributes&, Inputs);
std::vector<TensorType> infer(const MovingAverageAttributes&, Inputs);
std::vector<TensorType> infer(const ResizeBilinearGradientAttributes&, Inputs);
std::vector<TensorType> infer(const SgdAttributes&, Inputs);
std::vector<TensorType> infer(const SliceChannelsAttributes&, Inputs);
std::vector<TensorType> infer(const SoftmaxGradientAttributes&, Inputs);
std::vector<TensorType> infer(const SpatialSoftmaxGradientAttributes&, Inputs);

}  // namespace ocrnet::rules

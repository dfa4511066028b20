// Written by `npm run generate` from lib/ops. Do not edit.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "core/enums.gen.h"

namespace ocrnet {

inline constexpr std::uint32_t kPlanFormatVersion = 2;
inline constexpr std::uint32_t kSchemaFingerprint = 0x29498736;

enum class Opcode : std::uint32_t {
  normalizeImage,
  conv2d,
  batchNorm,
  scaleShift,
  scaleBy,
  activate,
  add,
  concat,
  cast,
  maxPool2d,
  adaptiveAveragePool2d,
  resizeBilinear,
  softmax,
  spatialSoftmax,
  labelRegions,
  aggregateRegions,
  distributeRegions,
  scoreRegions,
  attendRegions,
  resizeArgmax,
  resizeTaps,
  attendPixels,
  attendCrissCross,
  join,
  batchNormTraining,
  batchNormGradient,
  activateGradient,
  channelSums,
  dotProduct,
  resizeBilinearGradient,
  softmaxGradient,
  attendRegionsGradient,
  spatialSoftmaxGradient,
  maxPool2dGradient,
  adaptiveAveragePool2dGradient,
  conv2dInputGradient,
  conv2dFilterGradient,
  sliceChannels,
  crossEntropy,
  sgd,
  globalNorm,
  accumulate,
  adamW,
  movingAverage,
  allReduce,
  attendPixelsGradient,
  attendCrissCrossGradient,
};

/// bytes to normalised activations
struct NormalizeImageAttributes {
  bool reverseChannels;
  FloatType outputType;
};

/// convolution with bias, residual and activation
struct Conv2dAttributes {
  std::int32_t stride;
  std::int32_t padding;
  std::int32_t dilation;
  std::int32_t groups;
  Activation activation;
  float negativeSlope;
  OutputType outputType;
};

/// batch normalisation with running statistics
struct BatchNormAttributes {
  float epsilon;
};

/// scale and shift per channel
struct ScaleShiftAttributes {
  Activation activation;
  float negativeSlope;
};

/// product with a learned scalar
struct ScaleByAttributes {
};

/// ReLU, ReLU6 or leaky ReLU
struct ActivateAttributes {
  Activation activation;
  float negativeSlope;
};

/// element-wise sum
struct AddAttributes {
  Activation activation;
  float negativeSlope;
};

/// channels side by side
struct ConcatAttributes {
};

/// change of the element type
struct CastAttributes {
  FloatType outputType;
};

/// maximum over windows
struct MaxPool2dAttributes {
  std::int32_t kernel;
  std::int32_t stride;
  std::int32_t padding;
  bool ceilMode;
};

/// mean over a grid of cells
struct AdaptiveAveragePool2dAttributes {
  std::int32_t height;
  std::int32_t width;
};

/// bilinear resize with residual and activation
struct ResizeBilinearAttributes {
  std::int32_t height;
  std::int32_t width;
  bool alignCorners;
  Activation activation;
  float negativeSlope;
};

/// softmax over the channels, per pixel
struct SoftmaxAttributes {
  float scale;
};

/// softmax over the pixels, per class
struct SpatialSoftmaxAttributes {
  float scale;
};

/// object regions from labels
struct LabelRegionsAttributes {
  std::int32_t height;
  std::int32_t width;
  std::int32_t classes;
  bool normalised;
};

/// features summed by soft region
struct AggregateRegionsAttributes {
};

/// region vectors mixed by pixel
struct DistributeRegionsAttributes {
};

/// inner products of pixels and region vectors
struct ScoreRegionsAttributes {
};

/// attention of pixels over regions
struct AttendRegionsAttributes {
  float scale;
  Activation activation;
  float negativeSlope;
};

/// labels at full size from class scores
struct ResizeArgmaxAttributes {
  std::int32_t height;
  std::int32_t width;
  bool alignCorners;
  LabelType labelType;
};

/// sum of a filter's taps of resized maps
struct ResizeTapsAttributes {
  std::int32_t height;
  std::int32_t width;
  std::int32_t kernel;
  std::int32_t dilation;
  bool alignCorners;
  Activation activation;
  float negativeSlope;
  FloatType outputType;
};

/// attention of pixels over pixels
struct AttendPixelsAttributes {
  float scale;
};

/// attention of pixels over their row and column
struct AttendCrissCrossAttributes {
  float scale;
};

/// tensors one behind the other
struct JoinAttributes {
};

/// batch normalisation with the statistics of the batch
struct BatchNormTrainingAttributes {
  float epsilon;
  float momentum;
  bool frozen;
  bool synchronised;
  bool recoversInput;
  Activation activation;
  float negativeSlope;
};

/// gradients of the batch normalisation
struct BatchNormGradientAttributes {
  bool frozen;
  bool synchronised;
  Activation activation;
  float negativeSlope;
};

/// gradient through an activation
struct ActivateGradientAttributes {
  Activation activation;
  float negativeSlope;
};

/// sums over all pixels, per channel
struct ChannelSumsAttributes {
};

/// inner product of two tensors
struct DotProductAttributes {
};

/// gradient of the bilinear resize
struct ResizeBilinearGradientAttributes {
  std::int32_t height;
  std::int32_t width;
  bool alignCorners;
};

/// gradient of the softmax over the channels
struct SoftmaxGradientAttributes {
  float scale;
};

/// gradients of the attention over regions
struct AttendRegionsGradientAttributes {
  float scale;
};

/// gradient of the softmax over the pixels
struct SpatialSoftmaxGradientAttributes {
  float scale;
};

/// gradient of the maximum over windows
struct MaxPool2dGradientAttributes {
  std::int32_t kernel;
  std::int32_t stride;
  std::int32_t padding;
  bool ceilMode;
};

/// gradient of the mean over a grid of cells
struct AdaptiveAveragePool2dGradientAttributes {
  std::int32_t height;
  std::int32_t width;
};

/// gradient of a convolution's input
struct Conv2dInputGradientAttributes {
  std::int32_t stride;
  std::int32_t padding;
  std::int32_t dilation;
  std::int32_t groups;
  std::int32_t height;
  std::int32_t width;
};

/// gradient of a convolution's filter
struct Conv2dFilterGradientAttributes {
  std::int32_t stride;
  std::int32_t padding;
  std::int32_t dilation;
  std::int32_t groups;
  std::int32_t kernelHeight;
  std::int32_t kernelWidth;
};

/// some of the channels
struct SliceChannelsAttributes {
  std::int32_t first;
  std::int32_t count;
};

/// pixel cross-entropy with its gradient
struct CrossEntropyAttributes {
  float weight;
  std::int32_t ignoreLabel;
  float labelSmoothing;
  float hardThreshold;
  std::int32_t hardMinimum;
  bool alignCorners;
};

/// stochastic gradient descent with momentum
struct SgdAttributes {
  std::int64_t first;
  std::int64_t count;
  float learningRateScale;
  float momentum;
  bool nesterov;
  float weightDecay;
};

/// Euclidean norm, and the factor that clips it
struct GlobalNormAttributes {
  float maximum;
};

/// sum of gradients over several batches
struct AccumulateAttributes {
};

/// Adam with decoupled weight decay
struct AdamWAttributes {
  std::int64_t first;
  std::int64_t count;
  float learningRateScale;
  float beta1;
  float beta2;
  float epsilon;
  float weightDecay;
};

/// exponential moving average
struct MovingAverageAttributes {
  float decay;
  bool warmUp;
};

/// sum or mean over the devices of a group
struct AllReduceAttributes {
  bool average;
};

/// gradients of the attention over pixels
struct AttendPixelsGradientAttributes {
  float scale;
};

/// gradients of the attention over row and column
struct AttendCrissCrossGradientAttributes {
  float scale;
};

using Attributes = std::variant<NormalizeImageAttributes, Conv2dAttributes, BatchNormAttributes, ScaleShiftAttributes, ScaleByAttributes, ActivateAttributes, AddAttributes, ConcatAttributes, CastAttributes, MaxPool2dAttributes, AdaptiveAveragePool2dAttributes, ResizeBilinearAttributes, SoftmaxAttributes, SpatialSoftmaxAttributes, LabelRegionsAttributes, AggregateRegionsAttributes, DistributeRegionsAttributes, ScoreRegionsAttributes, AttendRegionsAttributes, ResizeArgmaxAttributes, ResizeTapsAttributes, AttendPixelsAttributes, AttendCrissCrossAttributes, JoinAttributes, BatchNormTrainingAttributes, BatchNormGradientAttributes, ActivateGradientAttributes, ChannelSumsAttributes, DotProductAttributes, ResizeBilinearGradientAttributes, SoftmaxGradientAttributes, AttendRegionsGradientAttributes, SpatialSoftmaxGradientAttributes, MaxPool2dGradientAttributes, AdaptiveAveragePool2dGradientAttributes, Conv2dInputGradientAttributes, Conv2dFilterGradientAttributes, SliceChannelsAttributes, CrossEntropyAttributes, SgdAttributes, GlobalNormAttributes, AccumulateAttributes, AdamWAttributes, MovingAverageAttributes, AllReduceAttributes, AttendPixelsGradientAttributes, AttendCrissCrossGradientAttributes>;

/// Every operation that a device runs: the others are compiled away. X(name) for each.
#define OCRNET_EXECUTABLE_OPS(X) \
  X(normalizeImage) \
  X(conv2d) \
  X(scaleShift) \
  X(scaleBy) \
  X(activate) \
  X(add) \
  X(concat) \
  X(cast) \
  X(maxPool2d) \
  X(adaptiveAveragePool2d) \
  X(resizeBilinear) \
  X(softmax) \
  X(spatialSoftmax) \
  X(labelRegions) \
  X(aggregateRegions) \
  X(distributeRegions) \
  X(scoreRegions) \
  X(attendRegions) \
  X(resizeArgmax) \
  X(resizeTaps) \
  X(attendPixels) \
  X(attendCrissCross) \
  X(batchNormTraining) \
  X(batchNormGradient) \
  X(activateGradient) \
  X(channelSums) \
  X(dotProduct) \
  X(resizeBilinearGradient) \
  X(softmaxGradient) \
  X(attendRegionsGradient) \
  X(spatialSoftmaxGradient) \
  X(maxPool2dGradient) \
  X(adaptiveAveragePool2dGradient) \
  X(conv2dInputGradient) \
  X(conv2dFilterGradient) \
  X(sliceChannels) \
  X(crossEntropy) \
  X(sgd) \
  X(globalNorm) \
  X(accumulate) \
  X(adamW) \
  X(movingAverage) \
  X(allReduce) \
  X(attendPixelsGradient) \
  X(attendCrissCrossGradient)

struct FieldSchema {
  std::string_view name;
  /// Number of values of an enum, 2 for a bool, 0 for an int, -1 for a float, -2 for a size.
  int values;
};

struct OpSchema {
  std::string_view name;
  std::vector<std::string_view> inputs;
  std::size_t requiredInputs;
  std::vector<std::string_view> outputs;
  std::vector<FieldSchema> attributes;
  /// The input whose memory the first output may take over, element for element; -1 where there is none.
  int inPlaceOf;
  /// For each output, the input of the device's state that it is written over; -1 where it has memory of its own.
  std::vector<int> updates;
  /// For each input, whether it may be a channel slice of a wider tensor.
  std::vector<bool> readsSlices;
  /// Whether outputs may be channel slices of wider tensors.
  bool writesSlices;
  /// Whether the output is the inputs side by side in the channels, where some may lie already.
  bool concatenatesChannels;
};

/// In the order of Opcode.
inline const std::vector<OpSchema>& opSchemas() {
  static const std::vector<OpSchema> schemas{
    {"normalizeImage", {"image", "scale", "shift"}, 3, {"y"},
     {{"reverseChannels", 2}, {"outputType", 2}},
     -1, {-1}, {false, false, false}, false, false},
    {"conv2d", {"x", "filter", "bias", "residual"}, 2, {"y"},
     {{"stride", 0}, {"padding", 0}, {"dilation", 0}, {"groups", 0}, {"activation", 4}, {"negativeSlope", -1}, {"outputType", 2}},
     3, {-1}, {true, false, false, true}, true, false},
    {"batchNorm", {"x", "weight", "bias", "runningMean", "runningVariance"}, 5, {"y"},
     {{"epsilon", -1}},
     -1, {-1}, {false, false, false, false, false}, false, false},
    {"scaleShift", {"x", "scale", "shift", "residual"}, 2, {"y"},
     {{"activation", 4}, {"negativeSlope", -1}},
     0, {-1}, {true, false, false, true}, true, false},
    {"scaleBy", {"x", "factor"}, 2, {"y"},
     {},
     0, {-1}, {true, false}, true, false},
    {"activate", {"x"}, 1, {"y"},
     {{"activation", 4}, {"negativeSlope", -1}},
     0, {-1}, {true}, true, false},
    {"add", {"a", "b"}, 2, {"y"},
     {{"activation", 4}, {"negativeSlope", -1}},
     0, {-1}, {true, true}, true, false},
    {"concat", {"a", "b", "c", "d", "e", "f"}, 2, {"y"},
     {},
     -1, {-1}, {true, true, true, true, true, true}, true, true},
    {"cast", {"x"}, 1, {"y"},
     {{"outputType", 2}},
     -1, {-1}, {true}, true, false},
    {"maxPool2d", {"x"}, 1, {"y"},
     {{"kernel", 0}, {"stride", 0}, {"padding", 0}, {"ceilMode", 2}},
     -1, {-1}, {true}, true, false},
    {"adaptiveAveragePool2d", {"x"}, 1, {"y"},
     {{"height", 0}, {"width", 0}},
     -1, {-1}, {true}, true, false},
    {"resizeBilinear", {"x", "residual"}, 1, {"y"},
     {{"height", 0}, {"width", 0}, {"alignCorners", 2}, {"activation", 4}, {"negativeSlope", -1}},
     1, {-1}, {true, true}, true, false},
    {"softmax", {"x"}, 1, {"y"},
     {{"scale", -1}},
     0, {-1}, {true}, true, false},
    {"spatialSoftmax", {"logits"}, 1, {"regions"},
     {{"scale", -1}},
     -1, {-1}, {true}, false, false},
    {"labelRegions", {"labels"}, 1, {"regions"},
     {{"height", 0}, {"width", 0}, {"classes", 0}, {"normalised", 2}},
     -1, {-1}, {false}, false, false},
    {"aggregateRegions", {"regions", "features"}, 2, {"y"},
     {},
     -1, {-1}, {false, true}, false, false},
    {"distributeRegions", {"regions", "vectors"}, 2, {"y"},
     {},
     -1, {-1}, {false, false}, true, false},
    {"scoreRegions", {"features", "vectors"}, 2, {"scores"},
     {},
     -1, {-1}, {true, false}, false, false},
    {"attendRegions", {"query", "key", "value"}, 3, {"y"},
     {{"scale", -1}, {"activation", 4}, {"negativeSlope", -1}},
     -1, {-1}, {true, false, false}, true, false},
    {"resizeArgmax", {"logits"}, 1, {"labels", "confidence"},
     {{"height", 0}, {"width", 0}, {"alignCorners", 2}, {"labelType", 2}},
     -1, {-1, -1}, {false}, false, false},
    {"resizeTaps", {"a", "b", "c", "d", "e", "f", "residual"}, 1, {"y"},
     {{"height", 0}, {"width", 0}, {"kernel", 0}, {"dilation", 0}, {"alignCorners", 2}, {"activation", 4}, {"negativeSlope", -1}, {"outputType", 2}},
     6, {-1}, {true, true, true, true, true, true, true}, true, false},
    {"attendPixels", {"query", "key", "value"}, 3, {"y", "logSumExp"},
     {{"scale", -1}},
     -1, {-1, -1}, {true, true, true}, true, false},
    {"attendCrissCross", {"query", "key", "value"}, 3, {"y", "logSumExp"},
     {{"scale", -1}},
     -1, {-1, -1}, {true, true, true}, true, false},
    {"join", {}, 0, {"y"},
     {},
     -1, {-1}, {}, false, false},
    {"batchNormTraining", {"x", "weight", "bias", "runningMean", "runningVariance", "residual"}, 5, {"y", "mean", "inverseDeviation", "newRunningMean", "newRunningVariance"},
     {{"epsilon", -1}, {"momentum", -1}, {"frozen", 2}, {"synchronised", 2}, {"recoversInput", 2}, {"activation", 4}, {"negativeSlope", -1}},
     0, {-1, -1, -1, 3, 4}, {true, false, false, false, false, true}, true, false},
    {"batchNormGradient", {"dy", "weight", "bias", "mean", "inverseDeviation", "x", "y"}, 5, {"dx", "dWeight", "dBias", "dResidual"},
     {{"frozen", 2}, {"synchronised", 2}, {"activation", 4}, {"negativeSlope", -1}},
     0, {-1, -1, -1, -1}, {true, false, false, false, false, true, true}, true, false},
    {"activateGradient", {"dy", "y"}, 2, {"dx"},
     {{"activation", 4}, {"negativeSlope", -1}},
     0, {-1}, {true, true}, true, false},
    {"channelSums", {"x", "other"}, 1, {"y"},
     {},
     -1, {-1}, {true, true}, false, false},
    {"dotProduct", {"a", "b"}, 2, {"y"},
     {},
     -1, {-1}, {true, true}, false, false},
    {"resizeBilinearGradient", {"dy"}, 1, {"dx"},
     {{"height", 0}, {"width", 0}, {"alignCorners", 2}},
     -1, {-1}, {true}, true, false},
    {"softmaxGradient", {"y", "dy"}, 2, {"dx"},
     {{"scale", -1}},
     1, {-1}, {true, true}, true, false},
    {"attendRegionsGradient", {"query", "key", "value", "dy"}, 4, {"dQuery", "dKey", "dValue"},
     {{"scale", -1}},
     -1, {-1, -1, -1}, {true, false, false, true}, false, false},
    {"spatialSoftmaxGradient", {"regions", "dRegions"}, 2, {"dLogits"},
     {{"scale", -1}},
     1, {-1}, {false, false}, false, false},
    {"maxPool2dGradient", {"x", "dy"}, 2, {"dx"},
     {{"kernel", 0}, {"stride", 0}, {"padding", 0}, {"ceilMode", 2}},
     -1, {-1}, {true, true}, true, false},
    {"adaptiveAveragePool2dGradient", {"dy"}, 1, {"dx"},
     {{"height", 0}, {"width", 0}},
     -1, {-1}, {true}, true, false},
    {"conv2dInputGradient", {"dy", "filter", "residual"}, 2, {"dx"},
     {{"stride", 0}, {"padding", 0}, {"dilation", 0}, {"groups", 0}, {"height", 0}, {"width", 0}},
     2, {-1}, {true, false, true}, true, false},
    {"conv2dFilterGradient", {"x", "dy"}, 2, {"dFilter"},
     {{"stride", 0}, {"padding", 0}, {"dilation", 0}, {"groups", 0}, {"kernelHeight", 0}, {"kernelWidth", 0}},
     -1, {-1}, {true, true}, false, false},
    {"sliceChannels", {"x"}, 1, {"y"},
     {{"first", 0}, {"count", 0}},
     -1, {-1}, {true}, true, false},
    {"crossEntropy", {"logits", "labels", "classWeights"}, 2, {"loss", "dLogits"},
     {{"weight", -1}, {"ignoreLabel", 0}, {"labelSmoothing", -1}, {"hardThreshold", -1}, {"hardMinimum", 0}, {"alignCorners", 2}},
     -1, {-1, -1}, {false, false, false}, false, false},
    {"sgd", {"parameters", "gradients", "velocity", "schedule", "gradientScale"}, 4, {"newParameters", "newVelocity"},
     {{"first", -2}, {"count", -2}, {"learningRateScale", -1}, {"momentum", -1}, {"nesterov", 2}, {"weightDecay", -1}},
     -1, {0, 2}, {false, false, false, false, false}, false, false},
    {"globalNorm", {"x"}, 1, {"norm", "factor"},
     {{"maximum", -1}},
     -1, {-1, -1}, {false}, false, false},
    {"accumulate", {"total", "part", "weights"}, 3, {"newTotal"},
     {},
     -1, {0}, {false, false, false}, false, false},
    {"adamW", {"parameters", "gradients", "firstMoment", "secondMoment", "schedule", "gradientScale"}, 5, {"newParameters", "newFirstMoment", "newSecondMoment"},
     {{"first", -2}, {"count", -2}, {"learningRateScale", -1}, {"beta1", -1}, {"beta2", -1}, {"epsilon", -1}, {"weightDecay", -1}},
     -1, {0, 2, 3}, {false, false, false, false, false, false}, false, false},
    {"movingAverage", {"average", "values", "schedule"}, 3, {"newAverage"},
     {{"decay", -1}, {"warmUp", 2}},
     -1, {0}, {false, false, false}, false, false},
    {"allReduce", {"x"}, 1, {"y"},
     {{"average", 2}},
     0, {-1}, {false}, false, false},
    {"attendPixelsGradient", {"query", "key", "value", "y", "logSumExp", "dy"}, 6, {"dQuery", "dKey", "dValue"},
     {{"scale", -1}},
     -1, {-1, -1, -1}, {true, true, true, true, false, true}, false, false},
    {"attendCrissCrossGradient", {"query", "key", "value", "y", "logSumExp", "dy"}, 6, {"dQuery", "dKey", "dValue"},
     {{"scale", -1}},
     -1, {-1, -1, -1}, {true, true, true, true, true, true}, true, false},
  };
  return schemas;
}

/// `words` were checked against the schema: as many as it has attributes, enums in range.
inline Attributes decodeAttributes(Opcode opcode, std::span<const std::uint32_t> words) {
  switch (opcode) {
    case Opcode::normalizeImage:
      return NormalizeImageAttributes{words[0] != 0, static_cast<FloatType>(words[1])};
    case Opcode::conv2d:
      return Conv2dAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), static_cast<std::int32_t>(words[3]), static_cast<Activation>(words[4]), std::bit_cast<float>(words[5]), static_cast<OutputType>(words[6])};
    case Opcode::batchNorm:
      return BatchNormAttributes{std::bit_cast<float>(words[0])};
    case Opcode::scaleShift:
      return ScaleShiftAttributes{static_cast<Activation>(words[0]), std::bit_cast<float>(words[1])};
    case Opcode::scaleBy:
      return ScaleByAttributes{};
    case Opcode::activate:
      return ActivateAttributes{static_cast<Activation>(words[0]), std::bit_cast<float>(words[1])};
    case Opcode::add:
      return AddAttributes{static_cast<Activation>(words[0]), std::bit_cast<float>(words[1])};
    case Opcode::concat:
      return ConcatAttributes{};
    case Opcode::cast:
      return CastAttributes{static_cast<FloatType>(words[0])};
    case Opcode::maxPool2d:
      return MaxPool2dAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), words[3] != 0};
    case Opcode::adaptiveAveragePool2d:
      return AdaptiveAveragePool2dAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1])};
    case Opcode::resizeBilinear:
      return ResizeBilinearAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), words[2] != 0, static_cast<Activation>(words[3]), std::bit_cast<float>(words[4])};
    case Opcode::softmax:
      return SoftmaxAttributes{std::bit_cast<float>(words[0])};
    case Opcode::spatialSoftmax:
      return SpatialSoftmaxAttributes{std::bit_cast<float>(words[0])};
    case Opcode::labelRegions:
      return LabelRegionsAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), words[3] != 0};
    case Opcode::aggregateRegions:
      return AggregateRegionsAttributes{};
    case Opcode::distributeRegions:
      return DistributeRegionsAttributes{};
    case Opcode::scoreRegions:
      return ScoreRegionsAttributes{};
    case Opcode::attendRegions:
      return AttendRegionsAttributes{std::bit_cast<float>(words[0]), static_cast<Activation>(words[1]), std::bit_cast<float>(words[2])};
    case Opcode::resizeArgmax:
      return ResizeArgmaxAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), words[2] != 0, static_cast<LabelType>(words[3])};
    case Opcode::resizeTaps:
      return ResizeTapsAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), static_cast<std::int32_t>(words[3]), words[4] != 0, static_cast<Activation>(words[5]), std::bit_cast<float>(words[6]), static_cast<FloatType>(words[7])};
    case Opcode::attendPixels:
      return AttendPixelsAttributes{std::bit_cast<float>(words[0])};
    case Opcode::attendCrissCross:
      return AttendCrissCrossAttributes{std::bit_cast<float>(words[0])};
    case Opcode::join:
      return JoinAttributes{};
    case Opcode::batchNormTraining:
      return BatchNormTrainingAttributes{std::bit_cast<float>(words[0]), std::bit_cast<float>(words[1]), words[2] != 0, words[3] != 0, words[4] != 0, static_cast<Activation>(words[5]), std::bit_cast<float>(words[6])};
    case Opcode::batchNormGradient:
      return BatchNormGradientAttributes{words[0] != 0, words[1] != 0, static_cast<Activation>(words[2]), std::bit_cast<float>(words[3])};
    case Opcode::activateGradient:
      return ActivateGradientAttributes{static_cast<Activation>(words[0]), std::bit_cast<float>(words[1])};
    case Opcode::channelSums:
      return ChannelSumsAttributes{};
    case Opcode::dotProduct:
      return DotProductAttributes{};
    case Opcode::resizeBilinearGradient:
      return ResizeBilinearGradientAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), words[2] != 0};
    case Opcode::softmaxGradient:
      return SoftmaxGradientAttributes{std::bit_cast<float>(words[0])};
    case Opcode::attendRegionsGradient:
      return AttendRegionsGradientAttributes{std::bit_cast<float>(words[0])};
    case Opcode::spatialSoftmaxGradient:
      return SpatialSoftmaxGradientAttributes{std::bit_cast<float>(words[0])};
    case Opcode::maxPool2dGradient:
      return MaxPool2dGradientAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), words[3] != 0};
    case Opcode::adaptiveAveragePool2dGradient:
      return AdaptiveAveragePool2dGradientAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1])};
    case Opcode::conv2dInputGradient:
      return Conv2dInputGradientAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), static_cast<std::int32_t>(words[3]), static_cast<std::int32_t>(words[4]), static_cast<std::int32_t>(words[5])};
    case Opcode::conv2dFilterGradient:
      return Conv2dFilterGradientAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), static_cast<std::int32_t>(words[3]), static_cast<std::int32_t>(words[4]), static_cast<std::int32_t>(words[5])};
    case Opcode::sliceChannels:
      return SliceChannelsAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1])};
    case Opcode::crossEntropy:
      return CrossEntropyAttributes{std::bit_cast<float>(words[0]), static_cast<std::int32_t>(words[1]), std::bit_cast<float>(words[2]), std::bit_cast<float>(words[3]), static_cast<std::int32_t>(words[4]), words[5] != 0};
    case Opcode::sgd:
      return SgdAttributes{static_cast<std::int64_t>(words[0]), static_cast<std::int64_t>(words[1]), std::bit_cast<float>(words[2]), std::bit_cast<float>(words[3]), words[4] != 0, std::bit_cast<float>(words[5])};
    case Opcode::globalNorm:
      return GlobalNormAttributes{std::bit_cast<float>(words[0])};
    case Opcode::accumulate:
      return AccumulateAttributes{};
    case Opcode::adamW:
      return AdamWAttributes{static_cast<std::int64_t>(words[0]), static_cast<std::int64_t>(words[1]), std::bit_cast<float>(words[2]), std::bit_cast<float>(words[3]), std::bit_cast<float>(words[4]), std::bit_cast<float>(words[5]), std::bit_cast<float>(words[6])};
    case Opcode::movingAverage:
      return MovingAverageAttributes{std::bit_cast<float>(words[0]), words[1] != 0};
    case Opcode::allReduce:
      return AllReduceAttributes{words[0] != 0};
    case Opcode::attendPixelsGradient:
      return AttendPixelsGradientAttributes{std::bit_cast<float>(words[0])};
    case Opcode::attendCrissCrossGradient:
      return AttendCrissCrossGradientAttributes{std::bit_cast<float>(words[0])};
  }
  return {};
}

}  // namespace ocrnet

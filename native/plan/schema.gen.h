// Written by `npm run generate` from lib/ops. Do not edit.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "core/enums.gen.h"

namespace ocrnet {

inline constexpr std::uint32_t kPlanFormatVersion = 2;
inline constexpr std::uint32_t kSchemaFingerprint = 0x61069147;

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
  gatherRegions,
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
  dropout,
  adjustLossScale,
  conv2dMoments,
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

/// features summed by the softmax over the pixels of class scores
struct GatherRegionsAttributes {
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

/// random zeros for channels or elements
struct DropoutAttributes {
  float rate;
  Dropped drops;
  std::int32_t stream;
};

/// factor of scaled gradients, and the scale of the next step
struct AdjustLossScaleAttributes {
  std::int32_t growthInterval;
};

/// convolution, and the moments of its result
struct Conv2dMomentsAttributes {
  std::int32_t stride;
  std::int32_t padding;
  std::int32_t dilation;
  std::int32_t groups;
};

using Attributes = std::variant<NormalizeImageAttributes, Conv2dAttributes, BatchNormAttributes, ScaleShiftAttributes, ScaleByAttributes, ActivateAttributes, AddAttributes, ConcatAttributes, CastAttributes, MaxPool2dAttributes, AdaptiveAveragePool2dAttributes, ResizeBilinearAttributes, SoftmaxAttributes, SpatialSoftmaxAttributes, LabelRegionsAttributes, AggregateRegionsAttributes, DistributeRegionsAttributes, ScoreRegionsAttributes, AttendRegionsAttributes, ResizeArgmaxAttributes, ResizeTapsAttributes, AttendPixelsAttributes, AttendCrissCrossAttributes, GatherRegionsAttributes, JoinAttributes, BatchNormTrainingAttributes, BatchNormGradientAttributes, ActivateGradientAttributes, ChannelSumsAttributes, DotProductAttributes, ResizeBilinearGradientAttributes, SoftmaxGradientAttributes, AttendRegionsGradientAttributes, SpatialSoftmaxGradientAttributes, MaxPool2dGradientAttributes, AdaptiveAveragePool2dGradientAttributes, Conv2dInputGradientAttributes, Conv2dFilterGradientAttributes, SliceChannelsAttributes, CrossEntropyAttributes, SgdAttributes, GlobalNormAttributes, AccumulateAttributes, AdamWAttributes, MovingAverageAttributes, AllReduceAttributes, AttendPixelsGradientAttributes, AttendCrissCrossGradientAttributes, DropoutAttributes, AdjustLossScaleAttributes, Conv2dMomentsAttributes>;

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
  X(gatherRegions) \
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
  X(attendCrissCrossGradient) \
  X(dropout) \
  X(adjustLossScale) \
  X(conv2dMoments)

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
const std::vector<OpSchema>& opSchemas();

/// `words` were checked against the schema: as many as it has attributes, enums in range.
Attributes decodeAttributes(Opcode opcode, std::span<const std::uint32_t> words);

}  // namespace ocrnet

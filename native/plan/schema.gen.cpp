// Written by `npm run generate` from lib/ops. Do not edit.
#include "plan/schema.gen.h"

#include <bit>

namespace ocrnet {

const std::vector<OpSchema>& opSchemas() {
  static const std::vector<OpSchema> schemas{
    {"normalizeImage", {"image", "scale", "shift"}, 3, {"y"},
     {{"reverseChannels", 2}, {"outputType", 3}},
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
     {{"outputType", 3}},
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
     {{"height", 0}, {"width", 0}, {"kernel", 0}, {"dilation", 0}, {"alignCorners", 2}, {"activation", 4}, {"negativeSlope", -1}, {"outputType", 3}},
     6, {-1}, {true, true, true, true, true, true, true}, true, false},
    {"attendPixels", {"query", "key", "value"}, 3, {"y", "logSumExp"},
     {{"scale", -1}},
     -1, {-1, -1}, {true, true, true}, true, false},
    {"attendCrissCross", {"query", "key", "value"}, 3, {"y", "logSumExp"},
     {{"scale", -1}},
     -1, {-1, -1}, {true, true, true}, true, false},
    {"gatherRegions", {"logits", "features"}, 2, {"y"},
     {{"scale", -1}},
     -1, {-1}, {true, true}, false, false},
    {"join", {}, 0, {"y"},
     {},
     -1, {-1}, {}, false, false},
    {"batchNormTraining", {"x", "weight", "bias", "runningMean", "runningVariance", "residual", "means", "squares"}, 5, {"y", "mean", "inverseDeviation", "newRunningMean", "newRunningVariance"},
     {{"epsilon", -1}, {"momentum", -1}, {"frozen", 2}, {"synchronised", 2}, {"recoversInput", 2}, {"activation", 4}, {"negativeSlope", -1}},
     0, {-1, -1, -1, 3, 4}, {true, false, false, false, false, true, false, false}, true, false},
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
    {"crossEntropy", {"logits", "labels", "classWeights", "lossScale"}, 2, {"loss", "dLogits"},
     {{"weight", -1}, {"ignoreLabel", 0}, {"labelSmoothing", -1}, {"hardThreshold", -1}, {"hardMinimum", 0}, {"alignCorners", 2}},
     -1, {-1, -1}, {false, false, false, false}, false, false},
    {"sgd", {"parameters", "gradients", "velocity", "schedule", "gradientScale"}, 4, {"newParameters", "newVelocity"},
     {{"first", -2}, {"count", -2}, {"learningRateScale", -1}, {"momentum", -1}, {"nesterov", 2}, {"weightDecay", -1}},
     -1, {0, 2}, {false, false, false, false, false}, false, false},
    {"globalNorm", {"x", "gradientScale"}, 1, {"norm", "factor"},
     {{"maximum", -1}},
     -1, {-1, -1}, {false, false}, false, false},
    {"accumulate", {"total", "part", "weights"}, 3, {"newTotal"},
     {},
     -1, {0}, {false, false, false}, false, false},
    {"adamW", {"parameters", "gradients", "firstMoment", "secondMoment", "schedule", "gradientScale"}, 5, {"newParameters", "newFirstMoment", "newSecondMoment"},
     {{"first", -2}, {"count", -2}, {"learningRateScale", -1}, {"beta1", -1}, {"beta2", -1}, {"epsilon", -1}, {"weightDecay", -1}},
     -1, {0, 2, 3}, {false, false, false, false, false, false}, false, false},
    {"movingAverage", {"average", "values", "schedule", "gradientScale"}, 3, {"newAverage"},
     {{"decay", -1}, {"warmUp", 2}},
     -1, {0}, {false, false, false, false}, false, false},
    {"allReduce", {"x"}, 1, {"y"},
     {{"average", 2}},
     0, {-1}, {false}, false, false},
    {"attendPixelsGradient", {"query", "key", "value", "y", "logSumExp", "dy"}, 6, {"dQuery", "dKey", "dValue"},
     {{"scale", -1}},
     -1, {-1, -1, -1}, {true, true, true, true, false, true}, false, false},
    {"attendCrissCrossGradient", {"query", "key", "value", "y", "logSumExp", "dy"}, 6, {"dQuery", "dKey", "dValue"},
     {{"scale", -1}},
     -1, {-1, -1, -1}, {true, true, true, true, true, true}, true, false},
    {"dropout", {"x", "noise"}, 2, {"y"},
     {{"rate", -1}, {"drops", 2}, {"stream", 0}},
     0, {-1}, {true, false}, true, false},
    {"adjustLossScale", {"gradients", "lossScale"}, 2, {"newLossScale", "gradientScale", "scale"},
     {{"growthInterval", 0}},
     -1, {1, -1, -1}, {false, false}, false, false},
    {"conv2dMoments", {"x", "filter", "bias"}, 2, {"y", "means", "squares"},
     {{"stride", 0}, {"padding", 0}, {"dilation", 0}, {"groups", 0}},
     -1, {-1, -1, -1}, {true, false, false}, true, false},
  };
  return schemas;
}

Attributes decodeAttributes(Opcode opcode, std::span<const std::uint32_t> words) {
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
    case Opcode::gatherRegions:
      return GatherRegionsAttributes{std::bit_cast<float>(words[0])};
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
    case Opcode::dropout:
      return DropoutAttributes{std::bit_cast<float>(words[0]), static_cast<Dropped>(words[1]), static_cast<std::int32_t>(words[2])};
    case Opcode::adjustLossScale:
      return AdjustLossScaleAttributes{static_cast<std::int32_t>(words[0])};
    case Opcode::conv2dMoments:
      return Conv2dMomentsAttributes{static_cast<std::int32_t>(words[0]), static_cast<std::int32_t>(words[1]), static_cast<std::int32_t>(words[2]), static_cast<std::int32_t>(words[3])};
  }
  return {};
}

}  // namespace ocrnet

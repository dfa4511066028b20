// The shape rules of what training adds: the backward pass, losses, optimisers.

#include "core/integers.h"
#include "core/moments.h"
#include "plan/infer-rules.h"

namespace ocrnet::rules {

namespace {

bool isInvertible(Activation activation, float negativeSlope) {
  return activation == Activation::none || (activation == Activation::leakyRelu && negativeSlope > 0);
}

/// The type of y for a convolution of x with this filter: what a backward pass has as dy.
void requireConvolved(const TensorType& x, const TensorType& filter, const TensorInfo& dy, const auto& a) {
  if (a.padding < 0)
    throw Error("INVALID_PLAN", "expected padding >= 0, received " + std::to_string(a.padding));
  const Window window{a.stride, a.padding, a.dilation};
  const TensorType y = nhwc(x.dataType, x.shape[0], windowCount(x.shape[1], filter.shape[1], window),
                            windowCount(x.shape[2], filter.shape[2], window), filter.shape[0]);
  require(filter.shape[3] * a.groups == x.shape[3] && filter.shape[0] % a.groups == 0 && typeOf(dy) == y,
          ("expected the gradient of an output " + ocrnet::formatType(y)).c_str(), dy);
}

/// Of the means of an activation's ranges of pixels, and of their squares.
TensorType momentsOf(const TensorType& y) {
  const std::int64_t pixels = y.shape[0] * y.shape[1] * y.shape[2];
  return {DataType::float32, 2, {divideUp(pixels, kMomentPixels), y.shape[3], 1, 1}};
}

/// Of x, both or neither.
void requireMoments(const TensorInfo& x, const TensorInfo* means, const TensorInfo* squares) {
  if ((means == nullptr) != (squares == nullptr)) {
    throw Error("INVALID_PLAN", std::string("expected both means and squares, or neither, received ") +
                                    (means ? "means" : "squares") + " alone");
  }
  const TensorType expected = momentsOf(typeOf(x));
  for (const TensorInfo* moments : {means, squares}) {
    if (moments == nullptr) continue;
    require(typeOf(*moments) == expected,
            ("expected moments of x as " + ocrnet::formatType(expected)).c_str(), *moments);
  }
}

/// Flat float32 vectors of one length.
void requireFlat(std::initializer_list<const TensorInfo*> vectors) {
  for (const TensorInfo* vector : vectors) requireVector(vector, (*vectors.begin())->shape[0]);
}

void requireRange(std::int64_t first, std::int64_t count, const TensorInfo& vector) {
  require(first >= 0 && count > 0 && first + count <= vector.shape[0],
          ("expected elements " + std::to_string(first) + " to " + std::to_string(first + count - 1)).c_str(),
          vector);
}

}  // namespace

std::vector<TensorType> infer(const JoinAttributes&, Inputs) {
  throw Error("INVALID_PLAN", "is compiled away and never part of a plan");
}

std::vector<TensorType> infer(const ActivateGradientAttributes&, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  requireSameType(dy, in[1]);
  return {typeOf(dy)};
}

std::vector<TensorType> infer(const BatchNormTrainingAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  for (const TensorInfo* vector : in.subspan(1, 4)) requireVector(vector, x.channels());
  requireResidual(in[5], typeOf(x));
  if (a.recoversInput && (in[5] != nullptr || !isInvertible(a.activation, a.negativeSlope))) {
    throw Error("INVALID_PLAN", "cannot recover its input through a residual or such an activation");
  }
  requireMoments(x, in[6], in[7]);
  if (a.frozen && in[6] != nullptr)
    throw Error("INVALID_PLAN", "expected no moments where it is frozen, received " + formatType(*in[6]));
  const TensorType vector = typeOf(*in[1]);
  return {typeOf(x), vector, vector, vector, vector};
}

std::vector<TensorType> infer(const BatchNormGradientAttributes& a, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  for (const TensorInfo* vector : in.subspan(1, 4)) requireVector(vector, dy.channels());
  requireSameType(dy, in[5]);
  requireSameType(dy, in[6]);
  if (in[5] == nullptr && (in[6] == nullptr || !isInvertible(a.activation, a.negativeSlope))) {
    throw Error("INVALID_PLAN", "needs x, or y behind an activation that can be inverted");
  }
  const TensorType vector = typeOf(*in[1]);
  return {typeOf(dy), vector, vector, typeOf(dy)};
}

std::vector<TensorType> infer(const ChannelSumsAttributes&, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requireSameType(x, in[1]);
  return {{DataType::float32, 1, {x.channels(), 1, 1, 1}}};
}

std::vector<TensorType> infer(const DotProductAttributes&, Inputs in) {
  requireSameType(activation(in[0]), in[1]);
  return {{DataType::float32, 1, {1, 1, 1, 1}}};
}

std::vector<TensorType> infer(const DropoutAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  require(typeOf(*in[1]) == TensorType{DataType::int32, 1, {4, 1, 1, 1}}, "expected noise as int32[4]",
          *in[1]);
  if (!(a.rate >= 0 && a.rate < 1) || a.stream < 0) {
    throw Error("INVALID_PLAN", "expected a rate from 0 to below 1 and stream >= 0, received " +
                                    std::to_string(a.rate) + " and " + std::to_string(a.stream));
  }
  return {typeOf(x)};
}

std::vector<TensorType> infer(const ResizeBilinearGradientAttributes& a, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  requirePositive({a.height, a.width}, "height and width");
  return {nhwc(dy.dataType, dy.shape[0], a.height, a.width, dy.channels())};
}

std::vector<TensorType> infer(const AdaptiveAveragePool2dGradientAttributes& a, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  requirePositive({a.height, a.width}, "height and width");
  return {nhwc(dy.dataType, dy.shape[0], a.height, a.width, dy.channels())};
}

std::vector<TensorType> infer(const MaxPool2dGradientAttributes& a, Inputs in) {
  const TensorType y = infer(MaxPool2dAttributes{a.kernel, a.stride, a.padding, a.ceilMode}, in.first(1))[0];
  require(typeOf(*in[1]) == y, ("expected dy of the maximum's type " + formatType(y)).c_str(), *in[1]);
  return {typeOf(*in[0])};
}

std::vector<TensorType> infer(const SoftmaxGradientAttributes&, Inputs in) {
  const TensorInfo& y = activation(in[0]);
  require(y.dataType == DataType::float32, "expected y in float32", y);
  requireSameType(y, in[1]);
  return {typeOf(y)};
}

std::vector<TensorType> infer(const SpatialSoftmaxGradientAttributes&, Inputs in) {
  const TensorInfo& regions = activation(in[0]);
  require(regions.dataType == DataType::float32 && typeOf(regions) == typeOf(*in[1]),
          "expected regions and dRegions of one type in float32", regions, *in[1]);
  return {typeOf(regions)};
}

std::vector<TensorType> infer(const AttendRegionsGradientAttributes& a, Inputs in) {
  const TensorType y = infer(AttendRegionsAttributes{a.scale, Activation::none, 0}, in.first(3))[0];
  require(typeOf(*in[3]) == y, ("expected dy of the attention's type " + formatType(y)).c_str(), *in[3]);
  return {typeOf(*in[0]), typeOf(*in[1]), typeOf(*in[2])};
}

namespace {

/// The gradients of attention over pixels, whose y and logSumExp have the types `attended`.
std::vector<TensorType> attentionGradients(const std::vector<TensorType>& attended, Inputs in) {
  const TensorType &y = attended[0], &logSumExp = attended[1];
  require(typeOf(*in[3]) == y && typeOf(*in[5]) == y,
          ("expected y and dy of the attention's type " + ocrnet::formatType(y)).c_str(), *in[3], *in[5]);
  require(typeOf(*in[4]) == logSumExp,
          ("expected a logSumExp of the attention's type " + ocrnet::formatType(logSumExp)).c_str(), *in[4]);
  return {typeOf(*in[0]), typeOf(*in[1]), typeOf(*in[2])};
}

}  // namespace

std::vector<TensorType> infer(const AttendPixelsGradientAttributes& a, Inputs in) {
  return attentionGradients(infer(AttendPixelsAttributes{a.scale}, in.first(3)), in);
}

std::vector<TensorType> infer(const AttendCrissCrossGradientAttributes& a, Inputs in) {
  return attentionGradients(infer(AttendCrissCrossAttributes{a.scale}, in.first(3)), in);
}

std::vector<TensorType> infer(const Conv2dInputGradientAttributes& a, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  const TensorInfo& filter = *in[1];
  requirePositive({a.stride, a.dilation, a.groups, a.height, a.width},
                  "stride, dilation, groups, height and width");
  require(filter.dataType == DataType::float32 && filter.rank == 4,
          "expected a filter as float32 (O, kh, kw, C / groups)", filter);
  const TensorType dx = nhwc(dy.dataType, dy.shape[0], a.height, a.width, filter.channels() * a.groups);
  requireConvolved(dx, typeOf(filter), dy, a);
  requireResidual(in[2], dx);
  return {dx};
}

std::vector<TensorType> infer(const Conv2dFilterGradientAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  const TensorInfo& dy = activation(in[1]);
  requirePositive({a.stride, a.dilation, a.groups, a.kernelHeight, a.kernelWidth},
                  "stride, dilation, groups, kernelHeight and kernelWidth");
  const TensorType dFilter =
      nhwc(DataType::float32, dy.channels(), a.kernelHeight, a.kernelWidth, x.channels() / a.groups);
  requireConvolved(typeOf(x), dFilter, dy, a);
  return {dFilter};
}

std::vector<TensorType> infer(const Conv2dMomentsAttributes& a, Inputs in) {
  const TensorInfo* const operands[] = {in[0], in[1], in[2], nullptr};
  const TensorType y = infer(
      Conv2dAttributes{a.stride, a.padding, a.dilation, a.groups, Activation::none, 0, OutputType::same},
      operands)[0];
  return {y, momentsOf(y), momentsOf(y)};
}

std::vector<TensorType> infer(const SliceChannelsAttributes& a, Inputs in) {
  const TensorInfo& x = *in[0];
  require(x.rank == 4, "expected (N, H, W, C)", x);
  requirePositive({a.count}, "count");
  require(a.first >= 0 && std::int64_t{a.first} + a.count <= x.channels(),
          ("expected channels " + std::to_string(a.first) + " and " + std::to_string(a.count - 1) + " more")
              .c_str(),
          x);
  return {nhwc(x.dataType, x.shape[0], x.shape[1], x.shape[2], a.count)};
}

std::vector<TensorType> infer(const CrossEntropyAttributes& a, Inputs in) {
  const TensorInfo& logits = activation(in[0]);
  const TensorInfo& labels = *in[1];
  require(logits.dataType == DataType::float32, "expected logits in float32", logits);
  requireLabels(labels);
  require(labels.shape[0] == logits.shape[0], "expected labels for each of the logits' images", labels,
          logits);
  requireVector(in[2], logits.channels());
  requireVector(in[3], 2);
  if (!(a.labelSmoothing >= 0 && a.labelSmoothing < 1) || a.hardMinimum < 0) {
    throw Error("INVALID_PLAN", "expected a label smoothing in [0, 1) and hardMinimum >= 0, received " +
                                    std::to_string(a.labelSmoothing) + " and " +
                                    std::to_string(a.hardMinimum));
  }
  return {{DataType::float32, 1, {1, 1, 1, 1}}, typeOf(logits)};
}

std::vector<TensorType> infer(const SgdAttributes& a, Inputs in) {
  requireFlat({in[0], in[1], in[2]});
  requireRange(a.first, a.count, *in[0]);
  requireVector(in[3], 2);
  requireVector(in[4], 1);
  return {typeOf(*in[0]), typeOf(*in[0])};
}

std::vector<TensorType> infer(const AdamWAttributes& a, Inputs in) {
  requireFlat({in[0], in[1], in[2], in[3]});
  requireRange(a.first, a.count, *in[0]);
  requireVector(in[4], 2);
  requireVector(in[5], 1);
  return {typeOf(*in[0]), typeOf(*in[0]), typeOf(*in[0])};
}

std::vector<TensorType> infer(const GlobalNormAttributes&, Inputs in) {
  requireFlat({in[0]});
  requireVector(in[1], 1);
  const TensorType scalar{DataType::float32, 1, {1, 1, 1, 1}};
  return {scalar, scalar};
}

std::vector<TensorType> infer(const AdjustLossScaleAttributes& a, Inputs in) {
  requireFlat({in[0]});
  requireVector(in[1], 2);
  requirePositive({a.growthInterval}, "a growth interval");
  const TensorType scalar{DataType::float32, 1, {1, 1, 1, 1}};
  return {typeOf(*in[1]), scalar, scalar};
}

std::vector<TensorType> infer(const AllReduceAttributes&, Inputs in) {
  requireFlat({in[0]});
  return {typeOf(*in[0])};
}

std::vector<TensorType> infer(const AccumulateAttributes&, Inputs in) {
  requireFlat({in[0], in[1]});
  requireVector(in[2], 2);
  return {typeOf(*in[0])};
}

std::vector<TensorType> infer(const MovingAverageAttributes&, Inputs in) {
  requireFlat({in[0], in[1]});
  requireVector(in[2], 2);
  requireVector(in[3], 1);
  return {typeOf(*in[0])};
}

}  // namespace ocrnet::rules

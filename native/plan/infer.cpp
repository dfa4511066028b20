#include <algorithm>

#include "plan/infer-rules.h"

namespace ocrnet {

namespace rules {

std::vector<TensorType> infer(const NormalizeImageAttributes& a, Inputs in) {
  const TensorInfo& image = *in[0];
  require(image.rank == 4 && image.dataType == DataType::uint8, "expected an image as uint8 (N, H, W, C)",
          image);
  requireVector(in[1], image.channels());
  requireVector(in[2], image.channels());
  return {{dataTypeOf(a.outputType), 4, image.shape}};
}

std::vector<TensorType> infer(const Conv2dAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  const TensorInfo& filter = *in[1];
  requirePositive({a.stride, a.dilation, a.groups}, "stride, dilation and groups");
  if (a.padding < 0)
    throw Error("INVALID_PLAN", "expected padding >= 0, received " + std::to_string(a.padding));
  require(filter.dataType == DataType::float32 && filter.rank == 4,
          "expected a filter as float32 (O, kh, kw, C / groups)", filter);
  require(filter.channels() * a.groups == x.channels() && filter.shape[0] % a.groups == 0,
          ("expected a filter that fits x in " + std::to_string(a.groups) + " groups").c_str(), filter, x);
  const Window window{a.stride, a.padding, a.dilation};
  const TensorType y = nhwc(a.outputType == OutputType::same ? x.dataType : DataType::float32, x.shape[0],
                            windowCount(x.shape[1], filter.shape[1], window),
                            windowCount(x.shape[2], filter.shape[2], window), filter.shape[0]);
  requireVector(in[2], filter.shape[0]);
  requireResidual(in[3], y);
  return {y};
}

std::vector<TensorType> infer(const BatchNormAttributes&, Inputs) {
  throw Error("INVALID_PLAN", "is compiled away and never part of a plan");
}

std::vector<TensorType> infer(const ScaleShiftAttributes&, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requireVector(in[1], x.channels());
  requireVector(in[2], x.channels());
  requireResidual(in[3], typeOf(x));
  return {typeOf(x)};
}

std::vector<TensorType> infer(const ScaleByAttributes&, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requireVector(in[1], 1);
  return {typeOf(x)};
}

std::vector<TensorType> infer(const ActivateAttributes&, Inputs in) { return {typeOf(activation(in[0]))}; }

std::vector<TensorType> infer(const AddAttributes&, Inputs in) {
  const TensorInfo& a = in[0]->rank == 1 ? *in[0] : activation(in[0]);
  require(isFloat(a), "expected a float", a);
  require(typeOf(a) == typeOf(*in[1]), "expected equal types", a, *in[1]);
  return {typeOf(a)};
}

std::vector<TensorType> infer(const ConcatAttributes&, Inputs in) {
  const TensorInfo& first = *in[0];
  std::int64_t channels = 0;
  for (const TensorInfo* part : in) {
    if (part == nullptr) continue;
    require(part->rank == 4 && part->dataType == first.dataType &&
                std::equal(part->shape.begin(), part->shape.begin() + 3, first.shape.begin()),
            "expected equal sizes but for the channels", first, *part);
    channels += part->channels();
  }
  return {nhwc(first.dataType, first.shape[0], first.shape[1], first.shape[2], channels)};
}

std::vector<TensorType> infer(const CastAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  const DataType type = dataTypeOf(a.outputType);
  require(x.dataType == type || x.dataType == DataType::float32 || type == DataType::float32,
          "expected float32 or the output's type", x);
  return {{type, 4, x.shape}};
}

std::vector<TensorType> infer(const MaxPool2dAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requirePositive({a.kernel, a.stride}, "kernel and stride");
  if (a.padding < 0 || 2 * a.padding > a.kernel) {
    throw Error("INVALID_PLAN", "expected 0 <= padding <= kernel / 2, received " + std::to_string(a.padding));
  }
  const Window window{a.stride, a.padding, 1, a.ceilMode};
  return {nhwc(x.dataType, x.shape[0], windowCount(x.shape[1], a.kernel, window),
               windowCount(x.shape[2], a.kernel, window), x.channels())};
}

std::vector<TensorType> infer(const AdaptiveAveragePool2dAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requirePositive({a.height, a.width}, "height and width");
  return {nhwc(x.dataType, x.shape[0], a.height, a.width, x.channels())};
}

std::vector<TensorType> infer(const ResizeBilinearAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requirePositive({a.height, a.width}, "height and width");
  const TensorType y = nhwc(x.dataType, x.shape[0], a.height, a.width, x.channels());
  requireResidual(in[1], y);
  return {y};
}

std::vector<TensorType> infer(const ResizeTapsAttributes& a, Inputs in) {
  const TensorInfo& first = activation(in[0]);
  requirePositive({a.height, a.width, a.kernel, a.dilation}, "height, width, kernel and dilation");
  const std::int64_t taps = std::int64_t{a.kernel} * a.kernel;
  require(a.kernel % 2 == 1 && first.dataType == DataType::float32 && first.channels() % taps == 0,
          "expected float32 channels for each tap of an odd kernel", first);
  for (const TensorInfo* map : in.first(in.size() - 1)) {
    if (map == nullptr) continue;
    require(activation(map).dataType == first.dataType && map->shape[0] == first.shape[0] &&
                map->channels() == first.channels(),
            "expected maps that differ in height and width alone", first, *map);
  }
  const TensorType y =
      nhwc(dataTypeOf(a.outputType), first.shape[0], a.height, a.width, first.channels() / taps);
  requireResidual(in.back(), y);
  return {y};
}

std::vector<TensorType> infer(const SoftmaxAttributes&, Inputs in) {
  return {{DataType::float32, 4, activation(in[0]).shape}};
}

std::vector<TensorType> infer(const SpatialSoftmaxAttributes&, Inputs in) {
  return {{DataType::float32, 4, activation(in[0]).shape}};
}

std::vector<TensorType> infer(const LabelRegionsAttributes& a, Inputs in) {
  requirePositive({a.height, a.width, a.classes}, "height, width and classes");
  requireLabels(*in[0]);
  return {nhwc(DataType::float32, in[0]->shape[0], a.height, a.width, a.classes)};
}

std::vector<TensorType> infer(const AggregateRegionsAttributes&, Inputs in) {
  const TensorInfo& regions = activation(in[0]);
  const TensorInfo& features = activation(in[1]);
  require(regions.dataType == DataType::float32 &&
              std::equal(regions.shape.begin(), regions.shape.begin() + 3, features.shape.begin()),
          "expected float32 regions of the features' size", regions, features);
  return {nhwc(features.dataType, regions.shape[0], regions.channels(), 1, features.channels())};
}

std::vector<TensorType> infer(const GatherRegionsAttributes&, Inputs in) {
  require(activation(in[0]).dataType == DataType::float32, "expected logits in float32", *in[0]);
  return infer(AggregateRegionsAttributes{}, in);  // Regions are of the logits' type.
}

std::vector<TensorType> infer(const DistributeRegionsAttributes&, Inputs in) {
  const TensorInfo& regions = activation(in[0]);
  const TensorInfo& vectors = activation(in[1]);
  const auto [batch, height, width, classes] = regions.shape;
  require(regions.dataType == DataType::float32 &&
              typeOf(vectors) == nhwc(vectors.dataType, batch, classes, 1, vectors.channels()),
          "expected float32 regions (N, H, W, K) and vectors (N, K, 1, C)", regions, vectors);
  return {nhwc(vectors.dataType, batch, height, width, vectors.channels())};
}

std::vector<TensorType> infer(const ScoreRegionsAttributes&, Inputs in) {
  const TensorInfo& features = activation(in[0]);
  const TensorInfo& vectors = activation(in[1]);
  const auto [batch, height, width, channels] = features.shape;
  require(typeOf(vectors) == nhwc(features.dataType, batch, vectors.shape[1], 1, channels),
          "expected features (N, H, W, C) and vectors (N, K, 1, C)", features, vectors);
  return {nhwc(DataType::float32, batch, height, width, vectors.shape[1])};
}

std::vector<TensorType> infer(const AttendRegionsAttributes&, Inputs in) {
  const TensorInfo& query = activation(in[0]);
  const TensorInfo& key = activation(in[1]);
  const TensorInfo& value = activation(in[2]);
  const std::int64_t batch = query.shape[0], classes = value.shape[1];
  require(typeOf(key) == nhwc(query.dataType, batch, classes, 1, query.channels()),
          "expected a key (N, K, 1, D) for the query (N, H, W, D)", key, query);
  require(typeOf(value) == nhwc(query.dataType, batch, classes, 1, value.channels()),
          "expected a value (N, K, 1, C) for the query (N, H, W, D)", value, query);
  return {nhwc(query.dataType, batch, query.shape[1], query.shape[2], value.channels())};
}

std::vector<TensorType> infer(const AttendPixelsAttributes&, Inputs in) {
  const TensorInfo& query = activation(in[0]);
  const TensorInfo& key = activation(in[1]);
  const TensorInfo& value = activation(in[2]);
  const auto [batch, height, width, depth] = query.shape;
  require(typeOf(key) == nhwc(query.dataType, batch, key.shape[1], key.shape[2], depth),
          "expected a key (N, H', W', D) for the query (N, H, W, D)", key, query);
  require(typeOf(value) == nhwc(query.dataType, batch, key.shape[1], key.shape[2], value.channels()),
          "expected a value (N, H', W', C) for the key (N, H', W', D)", value, key);
  return {nhwc(query.dataType, batch, height, width, value.channels()),
          nhwc(DataType::float32, batch, height, width, 1)};
}

std::vector<TensorType> infer(const AttendCrissCrossAttributes&, Inputs in) {
  const TensorInfo& query = activation(in[0]);
  const TensorInfo& value = activation(in[2]);
  const auto [batch, height, width, depth] = query.shape;
  require(typeOf(*in[1]) == typeOf(query), "expected a key of the query's type", *in[1], query);
  require(typeOf(value) == nhwc(query.dataType, batch, height, width, value.channels()),
          "expected a value of the query's size", value, query);
  return {typeOf(value), nhwc(DataType::float32, batch, height, width, 1)};
}

std::vector<TensorType> infer(const ResizeArgmaxAttributes& a, Inputs in) {
  const TensorInfo& logits = activation(in[0]);
  requirePositive({a.height, a.width}, "height and width");
  require(logits.dataType == DataType::float32, "expected logits in float32", logits);
  const bool bytes = a.labelType == LabelType::uint8;
  require(logits.channels() <= (bytes ? 256 : 65536), "expected no more classes than the label type holds",
          logits);
  const Shape shape{logits.shape[0], a.height, a.width, 1};
  return {{bytes ? DataType::uint8 : DataType::uint16, 3, shape}, {DataType::float32, 3, shape}};
}

}  // namespace rules

namespace {

const char* dataTypeName(DataType type) {
  switch (type) {
    case DataType::float32:
      return "float32";
    case DataType::bfloat16:
      return "bfloat16";
    case DataType::float16:
      return "float16";
    case DataType::uint8:
      return "uint8";
    case DataType::uint16:
      return "uint16";
    case DataType::int32:
      return "int32";
  }
  return "unknown";
}

}  // namespace

std::string formatType(const TensorType& type) {
  std::string text = std::string(dataTypeName(type.dataType)) + "[";
  for (std::uint32_t i = 0; i < type.rank; ++i) text += (i == 0 ? "" : "×") + std::to_string(type.shape[i]);
  return text + "]";
}

std::vector<TensorType> inferTypes(const Attributes& attributes, std::span<const TensorInfo* const> inputs) {
  return std::visit([&](const auto& a) { return rules::infer(a, inputs); }, attributes);
}

}  // namespace ocrnet

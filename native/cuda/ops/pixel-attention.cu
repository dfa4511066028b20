#include <utility>

#include "core/integers.h"
#include "cuda/device/element.h"
#include "cuda/device/reduce.h"
#include "cuda/launch.h"
#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

namespace {

constexpr int kMeanThreads = 256, kMeansOfBlock = kMeanThreads / kWarpLanes;

/// means_i = dy_i · y_i, a pixel a warp.
template <class T>
__global__ void __launch_bounds__(kMeanThreads)
    meansKernel(Source dy, Source y, std::int64_t pixels, std::int64_t channels, float* means) {
  const std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * kMeansOfBlock + threadIdx.x / kWarpLanes;
  if (pixel >= pixels) return;
  const T *const a = static_cast<const T*>(dy.data) + pixel * dy.stride, *const b =
                                                                             static_cast<const T*>(y.data) +
                                                                             pixel * y.stride;
  float sum = 0;
  for (std::int64_t c = threadIdx.x % kWarpLanes; c < channels; c += kWarpLanes) {
    sum += toFloat32(a[c]) * toFloat32(b[c]);
  }
  sum = warpSum(sum);
  if (threadIdx.x % kWarpLanes == 0) means[pixel] = sum;
}

}  // namespace

PixelSets imageSets(const TensorInfo& map) {
  const std::int64_t pixels = map.shape[1] * map.shape[2];
  return {.count = map.shape[0],
          .length = pixels,
          .perImage = 1,
          .imagePixels = pixels,
          .distance = 0,
          .step = 1};
}

PixelSets rowSets(const TensorInfo& map) {
  const std::int64_t height = map.shape[1], width = map.shape[2];
  return {.count = map.shape[0] * height,
          .length = width,
          .perImage = height,
          .imagePixels = height * width,
          .distance = width,
          .step = 1};
}

PixelSets columnSets(const TensorInfo& map) {
  const std::int64_t height = map.shape[1], width = map.shape[2];
  return {.count = map.shape[0] * width,
          .length = height,
          .perImage = width,
          .imagePixels = height * width,
          .distance = 1,
          .step = width};
}

Attention::Attention(const StepDescription& step, const Device& device, float scale)
    : type(step.input(0)->dataType),
      sharedBytes(device.sharedBytes),
      depth(step.input(0)->channels()),
      channels(step.input(2)->channels()),
      scale(scale),
      query(sourceOf(step.input(0), nullptr)),
      key(sourceOf(step.input(1), nullptr)),
      value(sourceOf(step.input(2), nullptr)),
      y(targetOf(step.output(0), nullptr)) {}

void Attention::locate(const StepMemory& memory) {
  query.data = memory.inputs[0];
  key.data = memory.inputs[1];
  value.data = memory.inputs[2];
  y.data = memory.outputs[0];
}

void Attention::enqueue(const PixelSets& queries, const PixelSets& keys, Source before, Target logSumExp,
                        bool exceptOwn, cudaStream_t stream) const {
  enqueueSums(AttentionPass::y,
              {.type = type,
               .sharedBytes = sharedBytes,
               .rows = queries,
               .columns = keys,
               .depth = depth,
               .channels = channels,
               .width = channels,
               .rowFactors = query,
               .columnFactors = key,
               .rowGradients = {},
               .columnGradients = {},
               .terms = value,
               .logSumExp = before,
               .means = {},
               .sums = y,
               .newLogSumExp = logSumExp,
               .scale = scale,
               .exceptOwn = exceptOwn,
               .adds = before.data != nullptr},
              stream);
}

AttentionGradient::AttentionGradient(const StepDescription& step, const Device& device, float scale)
    : type(step.input(0)->dataType),
      sharedBytes(device.sharedBytes),
      depth(step.input(0)->channels()),
      channels(step.input(2)->channels()),
      pixels(step.input(0)->pixels()),
      scale(scale),
      means(nullptr) {
  Source* const sources[] = {&query, &key, &value, &y, &logSumExp, &dy};
  for (std::size_t i = 0; i < std::size(sources); ++i) *sources[i] = sourceOf(step.input(i), nullptr);
  Target* const targets[] = {&dQuery, &dKey, &dValue};
  for (std::size_t i = 0; i < std::size(targets); ++i) *targets[i] = targetOf(step.output(i), nullptr);
}

std::size_t AttentionGradient::scratchBytes(const StepDescription& step) {
  return step.input(0)->pixels() * sizeof(float);
}

void AttentionGradient::locate(const StepMemory& memory) {
  Source* const sources[] = {&query, &key, &value, &y, &logSumExp, &dy};
  for (std::size_t i = 0; i < std::size(sources); ++i) sources[i]->data = memory.inputs[i];
  Target* const targets[] = {&dQuery, &dKey, &dValue};
  for (std::size_t i = 0; i < std::size(targets); ++i) targets[i]->data = memory.outputs[i];
  means = memory.scratchAs<float>();
}

void AttentionGradient::enqueueMeans(cudaStream_t stream) const {
  withFloatType(type, [&](auto element) {
    const auto blocks = static_cast<unsigned>(divideUp(pixels, std::int64_t{kMeansOfBlock}));
    launch<meansKernel<decltype(element)>>({dim3(blocks), kMeanThreads}, stream, dy, y, pixels, channels,
                                           means);
  });
}

void AttentionGradient::enqueue(const PixelSets& queries, const PixelSets& keys, bool exceptOwn, bool adds,
                                cudaStream_t stream) const {
  WeightedSums ofQueries{.type = type,
                         .sharedBytes = sharedBytes,
                         .rows = queries,
                         .columns = keys,
                         .depth = depth,
                         .channels = channels,
                         .width = depth,
                         .rowFactors = query,
                         .columnFactors = key,
                         .rowGradients = dy,
                         .columnGradients = value,
                         .terms = key,
                         .logSumExp = logSumExp,
                         .means = {means, 1},
                         .sums = dQuery,
                         .newLogSumExp = {},
                         .scale = scale,
                         .exceptOwn = exceptOwn,
                         .adds = adds};
  WeightedSums ofKeys = ofQueries;
  std::swap(ofKeys.rows, ofKeys.columns);
  std::swap(ofKeys.rowFactors, ofKeys.columnFactors);
  std::swap(ofKeys.rowGradients, ofKeys.columnGradients);
  ofKeys.terms = query;
  ofKeys.sums = dKey;
  WeightedSums ofValues = ofKeys;
  ofValues.terms = dy;
  ofValues.width = channels;
  ofValues.sums = dValue;
  if (dQuery.data) enqueueSums(AttentionPass::dQuery, ofQueries, stream);
  if (dKey.data) enqueueSums(AttentionPass::dKey, ofKeys, stream);
  if (dValue.data) enqueueSums(AttentionPass::dValue, ofValues, stream);
}

}  // namespace ocrnet::cuda

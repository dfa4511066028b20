// Two passes: the first finds dBias and dWeight, the second dx, which depends on both. Bound by memory: each
// reads dy, x or y, the second writes dx.

#include <cmath>

#include "cuda/device/activation.h"
#include "cuda/device/shared.h"
#include "cuda/ops/batch-norm.h"
#include "cuda/ops/channel-tiles.h"

namespace ocrnet::cuda {

namespace {

/// With g = dy · activation′ and d = x − mean, or d = activation⁻¹(y) − bias where x is null: dx = scale · g
/// − (constant + centredFactor · d), dResidual = g.
struct Gradient {
  Source dy, x, y;                                       // x or y may be null
  const float *weight, *bias, *mean, *inverseDeviation;  // scale = weight · inverseDeviation
  Epilogue epilogue;
  float *constant, *centredFactor;
  Target dx, dResidual;  // dResidual may be null
};

/// Sums of g and of g · d over the pixels of each range: (ranges, channels) each.
struct Sums {
  float *gradients, *products;
};

/// The scratch: two factors of each channel, then the sums.
struct BatchNormGradientScratch {
  float *constant, *centredFactor;
  Sums sums;

  BatchNormGradientScratch(const PixelRanges& ranges, std::byte* memory) {
    const std::int64_t vector = vectorFloats(ranges.channels);
    constant = reinterpret_cast<float*>(memory), centredFactor = constant + vector;
    sums.gradients = centredFactor + vector;
    sums.products = sums.gradients + partialFloats(ranges);
  }
  static std::size_t bytes(const PixelRanges& ranges) {
    return 2 * (vectorFloats(ranges.channels) + partialFloats(ranges)) * sizeof(float);
  }
};

/// What belongs to a pack of channels; g and d of a pixel.
template <class T, int count>
struct Terms {
  float mean[count], scale[count], bias[count];

  __device__ Terms(const Gradient& b, std::int64_t channel) {
    float weight[count];
    loadChannels(b.weight, channel, weight);
    loadChannels(b.inverseDeviation, channel, scale);
    loadChannels(b.mean, channel, mean);
    loadChannels(b.bias, channel, bias);
#pragma unroll
    for (int k = 0; k < count; ++k) scale[k] *= weight[k];
  }

  __device__ __forceinline__ void at(const Gradient& b, std::int64_t pixel, std::int64_t channel,
                                     float (&gradient)[count], float (&centred)[count]) const {
    float x[count], y[count];  // at least one is there
    loadPack<count>(b.dy.as<T>() + pixel * b.dy.stride + channel, gradient);
    if (b.x.data) loadPack<count>(b.x.as<T>() + pixel * b.x.stride + channel, x);
    if (b.y.data) loadPack<count>(b.y.as<T>() + pixel * b.y.stride + channel, y);
#pragma unroll
    for (int k = 0; k < count; ++k) {
      centred[k] = b.x.data ? x[k] - mean[k] : activationInverse(y[k], b.epilogue) - bias[k];
      const float z = b.y.data ? y[k] : normalised(centred[k], scale[k], bias[k]);
      gradient[k] = activationGradient(gradient[k], z, b.epilogue);
    }
  }
};

template <class T, int count>
__global__ void __launch_bounds__(ChannelTile<count>::kThreads)
    gradientSumsKernel(Gradient b, PixelRanges ranges, Sums sums) {
  using Tile = ChannelTile<count>;
  auto& memory = sharedMemory<RowSumMemory<count>>();
  const std::int64_t channel = Tile::channel();
  const bool inside = channel < ranges.channels;
  float gradients[count] = {}, products[count] = {};
  if (inside) {
    const Terms<T, count> terms(b, channel);
    ranges.each<count>([&](std::int64_t pixel) {
      float gradient[count], centred[count];
      terms.at(b, pixel, channel, gradient, centred);
#pragma unroll
      for (int k = 0; k < count; ++k) {
        gradients[k] += gradient[k];
        products[k] = fmaf(gradient[k], centred[k], products[k]);
      }
    });
  }
  sumRows(gradients, memory);
  sumRows(products, memory);
  if (!inside || Tile::row() != 0) return;
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * ranges.channels + channel;
  storeChannels(sums.gradients, at, gradients);
  storeChannels(sums.products, at, products);
}

/// 1 / weight, by which x̂ follows from y; 0 where the weight is so small that y does not tell x̂.
__device__ double inverseWeight(float weight) {
  const float inverse = 1 / weight;
  return std::isfinite(inverse) ? static_cast<double>(inverse) : 0;
}

/// dWeight and dBias, which may be null, and the factors of dx. Where the statistics were frozen dx has g
/// alone.
__global__ void __launch_bounds__(kJoinThreads)
    factorsKernel(Gradient b, PixelRanges ranges, std::int64_t rangeCount, Sums sums, bool frozen,
                  float* dWeight, float* dBias) {
  auto& memory = sharedMemory<JoinMemory>();
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kWarpLanes + threadIdx.x % kWarpLanes;
  const bool inside = channel < ranges.channels;
  const auto total = [&](const float* partial) {
    return joinRanges(rangeCount, inside, memory, [&](std::int64_t range) {
      return static_cast<double>(partial[range * ranges.channels + channel]);
    });
  };
  const double gradient = total(sums.gradients), product = total(sums.products);
  if (!inside || threadIdx.x >= kWarpLanes) return;
  // x̂ = d · normaliser.
  const double normaliser =
      b.x.data ? static_cast<double>(b.inverseDeviation[channel]) : inverseWeight(b.weight[channel]);
  const double share = static_cast<double>(b.weight[channel] * b.inverseDeviation[channel]) /
                       static_cast<double>(ranges.pixels);
  b.constant[channel] = frozen ? 0 : static_cast<float>(share * gradient);
  b.centredFactor[channel] = frozen ? 0 : static_cast<float>(share * product * normaliser * normaliser);
  if (dWeight) dWeight[channel] = static_cast<float>(product * normaliser);
  if (dBias) dBias[channel] = static_cast<float>(gradient);
}

template <class T, int count>
__global__ void __launch_bounds__(ChannelTile<count>::kThreads)
    inputGradientKernel(Gradient b, PixelRanges ranges) {
  const std::int64_t channel = ChannelTile<count>::channel();
  if (channel >= ranges.channels) return;
  const Terms<T, count> terms(b, channel);
  float constant[count], centredFactor[count];
  loadChannels(b.constant, channel, constant);
  loadChannels(b.centredFactor, channel, centredFactor);
  ranges.each<count>([&](std::int64_t pixel) {
    float gradient[count], centred[count];
    terms.at(b, pixel, channel, gradient, centred);
    if (b.dResidual.data) {
      storePack<count>(static_cast<T*>(b.dResidual.data) + pixel * b.dResidual.stride + channel, gradient);
    }
#pragma unroll
    for (int k = 0; k < count; ++k) {
      gradient[k] = terms.scale[k] * gradient[k] - fmaf(centredFactor[k], centred[k], constant[k]);
    }
    storePack<count>(static_cast<T*>(b.dx.data) + pixel * b.dx.stride + channel, gradient);
  });
}

Choice chooseBatchNormGradient(const StepDescription& step, const Device&) {
  const auto& attributes = step.attributes<BatchNormGradientAttributes>();
  requireAlone(attributes.synchronised && !attributes.frozen);
  return {.scratchBytes = BatchNormGradientScratch::bytes(PixelRanges::forSums(*step.input(0)))};
}

std::unique_ptr<PreparedStep> prepareBatchNormGradient(const StepDescription& step, const Device& device,
                                                       Parameters&) {
  requireChoice(step, chooseBatchNormGradient(step, device));
  const TensorInfo& dy = *step.input(0);
  const auto& attributes = step.attributes<BatchNormGradientAttributes>();
  const Gradient strides{.dy = sourceOf(&dy, nullptr),
                         .x = sourceOf(step.input(5), nullptr),
                         .y = sourceOf(step.input(6), nullptr),
                         .weight = nullptr,
                         .bias = nullptr,
                         .mean = nullptr,
                         .inverseDeviation = nullptr,
                         .epilogue = {attributes.activation, attributes.negativeSlope},
                         .constant = nullptr,
                         .centredFactor = nullptr,
                         .dx = targetOf(step.output(0), nullptr),
                         .dResidual = targetOf(step.output(3), nullptr)};
  return preparedStep([strides, frozen = attributes.frozen, type = dy.dataType,
                       ranges = PixelRanges::forSums(dy)](const StepMemory& memory, cudaStream_t stream) {
    const BatchNormGradientScratch scratch(ranges, memory.scratch);
    Gradient b = strides;
    b.dy.data = memory.inputs[0];
    b.weight = memory.in<float>(1);
    b.bias = memory.in<float>(2);
    b.mean = memory.in<float>(3);
    b.inverseDeviation = memory.in<float>(4);
    b.x.data = memory.inputs[5];
    b.y.data = memory.inputs[6];
    b.constant = scratch.constant;
    b.centredFactor = scratch.centredFactor;
    b.dx.data = memory.outputs[0];
    b.dResidual.data = memory.outputs[3];
    float *const dWeight = memory.out<float>(1), *const dBias = memory.out<float>(2);
    const bool needsSums = !frozen || dWeight || dBias;
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      const Source dx{b.dx.data, b.dx.stride}, dResidual{b.dResidual.data, b.dResidual.stride};
      withPacks<kPackElements<T>>(
          ranges.channels, sizeof(T), {b.dy, b.x, b.y, dx, dResidual}, [&](auto count) {
            if (needsSums) {
              launch<gradientSumsKernel<T, count>>(ranges.shape<count>(sizeof(RowSumMemory<count>)), stream,
                                                   b, ranges, scratch.sums);
            }
            launch<factorsKernel>(joinShape(ranges.channels), stream, b, ranges,
                                  needsSums ? ranges.count() : 0, scratch.sums, frozen, dWeight, dBias);
            const PixelRanges parts = ranges.forMap<count>();
            launch<inputGradientKernel<T, count>>(parts.template shape<count>(), stream, b, parts);
          });
    });
  });
}

}  // namespace

const Op batchNormGradientOp{.choose = chooseBatchNormGradient, .prepare = prepareBatchNormGradient};

}  // namespace ocrnet::cuda

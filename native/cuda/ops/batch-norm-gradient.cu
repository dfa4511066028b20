// Two passes: the first finds dBias and dWeight, the second dx, which depends on both; between them the
// devices of a group that share a batch meet. Bound by memory: each reads dy, x or y, the second writes dx.

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

/// Of one channel: sums of g and of g · d over the device's own pixels and over all of the batch.
struct ChannelSums {
  double gradient, product, allGradient, allProduct, allPixels;
};

/// dWeight and dBias, which may be null and are of the device's own pixels, and the factors of dx. Where the
/// statistics were frozen dx has g alone.
__device__ __forceinline__ void writeFactors(const Gradient& b, std::int64_t channel, const ChannelSums& sums,
                                             bool frozen, float* dWeight, float* dBias) {
  // x̂ = d · normaliser.
  const double normaliser =
      b.x.data ? static_cast<double>(b.inverseDeviation[channel]) : inverseWeight(b.weight[channel]);
  const double share = static_cast<double>(b.weight[channel] * b.inverseDeviation[channel]) / sums.allPixels;
  b.constant[channel] = frozen ? 0 : static_cast<float>(share * sums.allGradient);
  b.centredFactor[channel] =
      frozen ? 0 : static_cast<float>(share * sums.allProduct * normaliser * normaliser);
  if (dWeight) dWeight[channel] = static_cast<float>(sums.product * normaliser);
  if (dBias) dBias[channel] = static_cast<float>(sums.gradient);
}

/// The sums over all ranges. All threads must come.
struct JoinedSums {
  std::int64_t channel;
  bool writes;  // one thread for each channel
  double gradient, product;
};
__device__ __forceinline__ JoinedSums joinedSums(std::int64_t channels, std::int64_t rangeCount,
                                                 const Sums& sums) {
  auto& memory = sharedMemory<JoinMemory>();
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kWarpLanes + threadIdx.x % kWarpLanes;
  const bool inside = channel < channels;
  const auto total = [&](const float* partial) {
    return joinRanges(rangeCount, inside, memory, [&](std::int64_t range) {
      return static_cast<double>(partial[range * channels + channel]);
    });
  };
  const double gradient = total(sums.gradients), product = total(sums.products);
  return {channel, inside && threadIdx.x < kWarpLanes, gradient, product};
}

__global__ void __launch_bounds__(kJoinThreads)
    factorsKernel(Gradient b, PixelRanges ranges, std::int64_t rangeCount, Sums sums, bool frozen,
                  float* dWeight, float* dBias) {
  const JoinedSums all = joinedSums(ranges.channels, rangeCount, sums);
  if (!all.writes) return;
  const auto pixels = static_cast<double>(ranges.pixels);
  writeFactors(b, all.channel, {all.gradient, all.product, all.gradient, all.product, pixels}, frozen,
               dWeight, dBias);
}

/// In place of it where devices meet: what this one brings …
__global__ void __launch_bounds__(kJoinThreads)
    memberGradientsKernel(PixelRanges ranges, std::int64_t rangeCount, Sums sums, MemberSums own) {
  const JoinedSums all = joinedSums(ranges.channels, rangeCount, sums);
  if (all.writes) own.first[all.channel] = all.gradient, own.second[all.channel] = all.product;
  if (blockIdx.x == 0 && threadIdx.x == 0) *own.pixels = static_cast<double>(ranges.pixels);
}

/// … and what follows from the sums over the whole batch.
__global__ void __launch_bounds__(kElementThreads)
    wholeFactorsKernel(Gradient b, std::int64_t channels, MemberSums own, MemberSums whole, float* dWeight,
                       float* dBias) {
  const std::int64_t channel = packIndex();
  if (channel >= channels) return;
  writeFactors(b, channel,
               {own.first[channel], own.second[channel], whole.first[channel], whole.second[channel],
                *whole.allPixels},
               false, dWeight, dBias);
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

/// A step's two passes.
class GradientPasses {
 public:
  explicit GradientPasses(const StepDescription& step)
      : frozen_(step.attributes<BatchNormGradientAttributes>().frozen),
        synchronised_(step.attributes<BatchNormGradientAttributes>().synchronised),
        type_(step.input(0)->dataType),
        ranges_(PixelRanges::forSums(*step.input(0))),
        strides_{.dy = sourceOf(step.input(0), nullptr),
                 .x = sourceOf(step.input(5), nullptr),
                 .y = sourceOf(step.input(6), nullptr),
                 .weight = nullptr,
                 .bias = nullptr,
                 .mean = nullptr,
                 .inverseDeviation = nullptr,
                 .epilogue = {step.attributes<BatchNormGradientAttributes>().activation,
                              step.attributes<BatchNormGradientAttributes>().negativeSlope},
                 .constant = nullptr,
                 .centredFactor = nullptr,
                 .dx = targetOf(step.output(0), nullptr),
                 .dResidual = targetOf(step.output(3), nullptr)} {}

  const PixelRanges& ranges() const { return ranges_; }
  bool meets() const { return synchronised_ && !frozen_; }
  std::size_t scratchBytes() const { return BatchNormGradientScratch::bytes(ranges_); }

  Gradient gradient(const StepMemory& memory) const {
    const BatchNormGradientScratch found = scratch(memory);
    Gradient b = strides_;
    b.dy.data = memory.inputs[0];
    b.weight = memory.in<float>(1);
    b.bias = memory.in<float>(2);
    b.mean = memory.in<float>(3);
    b.inverseDeviation = memory.in<float>(4);
    b.x.data = memory.inputs[5];
    b.y.data = memory.inputs[6];
    b.constant = found.constant;
    b.centredFactor = found.centredFactor;
    b.dx.data = memory.outputs[0];
    b.dResidual.data = memory.outputs[3];
    return b;
  }
  void findSums(const StepMemory& memory, cudaStream_t stream) const {
    if (!needsSums(memory)) return;
    const Gradient b = gradient(memory);
    withKernels(b, [&]<class T, int count>() {
      launch<gradientSumsKernel<T, count>>(ranges_.shape<count>(sizeof(RowSumMemory<count>)), stream, b,
                                           ranges_, scratch(memory).sums);
    });
  }
  /// Of the device's own pixels.
  void findFactors(const StepMemory& memory, cudaStream_t stream) const {
    launch<factorsKernel>(joinShape(ranges_.channels), stream, gradient(memory), ranges_,
                          needsSums(memory) ? ranges_.count() : 0, scratch(memory).sums, frozen_,
                          memory.out<float>(1), memory.out<float>(2));
  }
  void findInputGradient(const StepMemory& memory, cudaStream_t stream) const {
    const Gradient b = gradient(memory);
    withKernels(b, [&]<class T, int count>() {
      const PixelRanges parts = ranges_.forMap<count>();
      launch<inputGradientKernel<T, count>>(parts.template shape<count>(), stream, b, parts);
    });
  }

  BatchNormGradientScratch scratch(const StepMemory& memory) const { return {ranges_, memory.scratch}; }

 private:
  bool needsSums(const StepMemory& memory) const {
    return !frozen_ || memory.outputs[1] || memory.outputs[2];
  }

  /// body<T, count>(): the element, and the channels of a pack.
  template <class Body>
  void withKernels(const Gradient& b, const Body& body) const {
    withFloatType(type_, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(ranges_.channels, sizeof(T),
                                  {b.dy, b.x, b.y, b.dx.asSource(), b.dResidual.asSource()},
                                  [&](auto count) { body.template operator()<T, count>(); });
    });
  }

  bool frozen_, synchronised_;
  DataType type_;
  PixelRanges ranges_;
  Gradient strides_;
};

/// Of a batch that the group's members share.
class SynchronisedGradient final : public SynchronisedPasses<GradientPasses, addSums> {
 public:
  using SynchronisedPasses::SynchronisedPasses;

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    passes_.findSums(memory, stream);
    launch<memberGradientsKernel>(joinShape(ranges_.channels), stream, ranges_, ranges_.count(),
                                  passes_.scratch(memory).sums, sums(memory).own);
  }
  void enqueueRest(const StepMemory& memory, cudaStream_t stream) override {
    const MeetingSums met = sums(memory);
    launch<wholeFactorsKernel>(channelShape(ranges_.channels), stream, passes_.gradient(memory),
                               ranges_.channels, met.own, met.whole, memory.out<float>(1),
                               memory.out<float>(2));
    passes_.findInputGradient(memory, stream);
  }
};

Choice chooseBatchNormGradient(const StepDescription& step, const Device&) {
  const GradientPasses passes(step);
  const std::size_t sums = passes.meets() ? MeetingSums::bytes(step.input(0)->channels()) : 0;
  return {.scratchBytes = passes.scratchBytes() + sums};
}

std::unique_ptr<PreparedStep> prepareBatchNormGradient(const StepDescription& step, const Device& device,
                                                       Parameters&) {
  requireChoice(step, chooseBatchNormGradient(step, device));
  const GradientPasses passes(step);
  if (passes.meets()) {
    requireGroup(step);
    return std::make_unique<SynchronisedGradient>(passes);
  }
  return preparedStep([passes](const StepMemory& memory, cudaStream_t stream) {
    passes.findSums(memory, stream);
    passes.findFactors(memory, stream);
    passes.findInputGradient(memory, stream);
  });
}

}  // namespace

const Op batchNormGradientOp{.choose = chooseBatchNormGradient, .prepare = prepareBatchNormGradient};

}  // namespace ocrnet::cuda

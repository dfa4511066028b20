// Two passes over x: the first finds the statistics, the second normalises. Each range of pixels has its sums
// taken around a mean of its own and all ranges are joined in float64: a mean far above the deviation costs
// nothing. Devices of a group that share a batch meet between the passes and join their moments as ranges
// are. Bound by memory: x is read twice and y written once, or once where the convolution that wrote x has
// found the moments of short ranges, which the first pass then joins to those of its own.

#include <cmath>

#include "core/moments.h"
#include "cuda/device/activation.h"
#include "cuda/device/shared.h"
#include "cuda/ops/batch-norm.h"
#include "cuda/ops/channel-tiles.h"

namespace ocrnet::cuda {

namespace {

/// Sums over the pixels of each range, around `shift`: (ranges, channels) each.
struct Moments {
  float *shift, *sums, *squares;
};

/// The scratch: mean and scale of each channel, then the moments.
struct BatchNormScratch {
  float *mean, *scale;
  Moments moments;

  BatchNormScratch(const PixelRanges& ranges, std::byte* memory) {
    const std::int64_t vector = vectorFloats(ranges.channels), partial = partialFloats(ranges);
    mean = reinterpret_cast<float*>(memory), scale = mean + vector;
    moments.shift = scale + vector, moments.sums = moments.shift + partial;
    moments.squares = moments.sums + partial;
  }
  static std::size_t bytes(const PixelRanges& ranges, bool frozen) {
    return (2 * vectorFloats(ranges.channels) + (frozen ? 0 : 3 * partialFloats(ranges))) * sizeof(float);
  }
};

/// Of the block's range, from what each thread has of them. All threads must come.
template <int count>
__device__ __forceinline__ void storeMoments(const Moments& moments, const PixelRanges& ranges,
                                             RowSumMemory<count>& memory, const float (&shift)[count],
                                             float (&sums)[count], float (&squares)[count]) {
  using Tile = ChannelTile<count>;
  sumRows(sums, memory);
  sumRows(squares, memory);
  if (Tile::channel() >= ranges.channels || Tile::row() != 0) return;
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * ranges.channels + Tile::channel();
  storeChannels(moments.shift, at, shift);
  storeChannels(moments.sums, at, sums);
  storeChannels(moments.squares, at, squares);
}

template <class T, int count>
__global__ void __launch_bounds__(ChannelTile<count>::kThreads)
    momentsKernel(Source x, PixelRanges ranges, Moments moments) {
  using Tile = ChannelTile<count>;
  constexpr int kShiftRows = 4;  // of pixels: one that lies far out must not be the shift
  auto& memory = sharedMemory<RowSumMemory<count>>();
  const std::int64_t channel = Tile::channel();
  const bool inside = channel < ranges.channels;
  const auto load = [&](std::int64_t pixel, float(&value)[count]) {
    loadPack<count>(x.as<T>() + pixel * x.stride + channel, value);
  };

  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * ranges.rangePixels;
  const std::int64_t rest = ranges.pixels - first;
  const int shiftPixels = static_cast<int>(rest < kShiftRows * Tile::kRows ? rest : kShiftRows * Tile::kRows);
  float shift[count] = {};
#pragma unroll
  for (int i = 0; i < kShiftRows; ++i) {
    const int pixel = i * Tile::kRows + Tile::row();
    if (!inside || pixel >= shiftPixels) continue;
    float value[count];
    load(first + pixel, value);
#pragma unroll
    for (int k = 0; k < count; ++k) shift[k] += value[k];
  }
  sumRows(shift, memory);
#pragma unroll
  for (int k = 0; k < count; ++k) shift[k] /= static_cast<float>(shiftPixels);

  float sums[count] = {}, squares[count] = {};
  if (inside) {
    ranges.each<count>([&](std::int64_t pixel) {
      float value[count];
      load(pixel, value);
#pragma unroll
      for (int k = 0; k < count; ++k) {
        const float distance = value[k] - shift[k];
        sums[k] += distance;
        squares[k] = fmaf(distance, distance, squares[k]);
      }
    });
  }
  storeMoments(moments, ranges, memory, shift, sums, squares);
}

/// The moments of a step's input, of ranges of kMomentPixels: (ranges, channels) each.
struct ShortMoments {
  const float *means, *squares;
};

/// In place of momentsKernel: the shift is the mean of the range's first short range.
__global__ void __launch_bounds__(ChannelTile<1>::kThreads)
    joinShortMomentsKernel(ShortMoments parts, PixelRanges ranges, Moments moments) {
  using Tile = ChannelTile<1>;
  auto& memory = sharedMemory<RowSumMemory<1>>();
  const std::int64_t channel = Tile::channel();
  const bool inside = channel < ranges.channels;
  const std::int64_t all = divideUp(ranges.pixels, kMomentPixels),
                     length = ranges.rangePixels / kMomentPixels;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * length;
  const std::int64_t end = first + length < all ? first + length : all;
  const float shift[1] = {inside ? parts.means[first * ranges.channels + channel] : 0};
  float sums[1] = {}, squares[1] = {};
  if (inside) {
#pragma unroll 4
    for (std::int64_t part = first + Tile::row(); part < end; part += Tile::kRows) {
      const std::int64_t at = part * ranges.channels + channel, rest = ranges.pixels - part * kMomentPixels;
      const auto pixels = static_cast<float>(rest < kMomentPixels ? rest : kMomentPixels);
      const float distance = parts.means[at] - shift[0];
      sums[0] = fmaf(pixels, distance, sums[0]);
      squares[0] += fmaf(pixels * distance, distance, parts.squares[at]);
    }
  }
  storeMoments(moments, ranges, memory, shift, sums, squares);
}

/// What follows from the statistics of a channel; outputs that nobody reads are null.
struct Statistics {
  float epsilon, momentum;
  bool frozen;
  const float *weight, *runningMean, *runningVariance;
  float *mean, *inverseDeviation, *newMean, *newVariance;
  float *meanUsed, *scale;
};

__device__ void writeStatistics(const Statistics& s, std::int64_t c, double batchMean, double squares,
                                double pixels) {
  const double oldMean = s.runningMean[c], oldVariance = s.runningVariance[c];
  const double mean = s.frozen ? oldMean : batchMean;
  const double variance = s.frozen ? oldVariance : squares / pixels;
  const double unbiased = s.frozen ? oldVariance : squares / (pixels > 2 ? pixels - 1 : 1);
  const auto deviation = static_cast<float>(1 / sqrt(variance + static_cast<double>(s.epsilon)));
  const double part = s.frozen ? 0 : static_cast<double>(s.momentum);
  s.meanUsed[c] = static_cast<float>(mean);
  s.scale[c] = s.weight[c] * deviation;
  if (s.mean) s.mean[c] = static_cast<float>(mean);
  if (s.inverseDeviation) s.inverseDeviation[c] = deviation;
  if (s.newMean) s.newMean[c] = static_cast<float>((1 - part) * oldMean + part * mean);
  if (s.newVariance) s.newVariance[c] = static_cast<float>((1 - part) * oldVariance + part * unbiased);
}

/// The moments of all ranges as one (Chan, Golub and LeVeque 1979): the mean, and the sum of squared
/// distances from it. All threads must come.
struct JoinedMoments {
  std::int64_t channel;
  bool writes;  // one thread for each channel
  double mean, squares;
};
__device__ __forceinline__ JoinedMoments joinedMoments(const PixelRanges& ranges, std::int64_t rangeCount,
                                                       const Moments& moments) {
  auto& memory = sharedMemory<JoinMemory>();
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kWarpLanes + threadIdx.x % kWarpLanes;
  const bool inside = channel < ranges.channels;
  /// n, the mean and the sum of squared distances from it, of one range.
  const auto pixelsOf = [&](std::int64_t range) {
    const std::int64_t rest = ranges.pixels - range * ranges.rangePixels;
    return static_cast<double>(rest < ranges.rangePixels ? rest : ranges.rangePixels);
  };
  const auto meanOf = [&](std::int64_t range) {
    const std::int64_t at = range * ranges.channels + channel;
    return static_cast<double>(moments.shift[at]) + static_cast<double>(moments.sums[at]) / pixelsOf(range);
  };
  const auto pixels = static_cast<double>(ranges.pixels);
  const double mean = joinRanges(rangeCount, inside, memory, [&](std::int64_t range) {
    return pixelsOf(range) / pixels * meanOf(range);
  });
  const double squares = joinRanges(rangeCount, inside, memory, [&](std::int64_t range) {
    const std::int64_t at = range * ranges.channels + channel;
    const double sum = moments.sums[at], n = pixelsOf(range), distance = meanOf(range) - mean;
    return static_cast<double>(moments.squares[at]) - sum * sum / n + n * distance * distance;
  });
  return {channel, inside && threadIdx.x < kWarpLanes, mean, squares};
}

__global__ void __launch_bounds__(kJoinThreads)
    statisticsKernel(PixelRanges ranges, std::int64_t rangeCount, Moments moments, Statistics statistics) {
  const JoinedMoments all = joinedMoments(ranges, rangeCount, moments);
  if (all.writes) {
    writeStatistics(statistics, all.channel, all.mean, all.squares, static_cast<double>(ranges.pixels));
  }
}

/// In place of it where devices meet: what this one brings …
__global__ void __launch_bounds__(kJoinThreads)
    memberMomentsKernel(PixelRanges ranges, std::int64_t rangeCount, Moments moments, MemberSums own) {
  const JoinedMoments all = joinedMoments(ranges, rangeCount, moments);
  if (all.writes) own.first[all.channel] = all.mean, own.second[all.channel] = all.squares;
  if (blockIdx.x == 0 && threadIdx.x == 0) *own.pixels = static_cast<double>(ranges.pixels);
}

/// … and the statistics of the whole batch.
__global__ void __launch_bounds__(kElementThreads)
    wholeStatisticsKernel(std::int64_t channels, MemberSums whole, Statistics statistics) {
  const std::int64_t channel = packIndex();
  if (channel >= channels) return;
  writeStatistics(statistics, channel, whole.first[channel], whole.second[channel], *whole.allPixels);
}

/// y = activation((x − mean) · scale + bias + residual).
struct Normalisation {
  Source x;
  const float *mean, *scale, *bias;
  Source residual;  // its data may be null
  Target y;
  Epilogue epilogue;
};

template <class T, int count>
__global__ void __launch_bounds__(ChannelTile<count>::kThreads)
    normaliseKernel(Normalisation n, PixelRanges ranges) {
  const std::int64_t channel = ChannelTile<count>::channel();
  if (channel >= ranges.channels) return;
  float mean[count], scale[count], bias[count];
  loadChannels(n.mean, channel, mean);
  loadChannels(n.scale, channel, scale);
  loadChannels(n.bias, channel, bias);
  ranges.each<count>([&](std::int64_t pixel) {
    float x[count], residual[count] = {};
    loadPack<count>(n.x.as<T>() + pixel * n.x.stride + channel, x);
    if (n.residual.data) {
      loadPack<count>(n.residual.as<T>() + pixel * n.residual.stride + channel, residual);
    }
#pragma unroll
    for (int k = 0; k < count; ++k) {
      x[k] = activated(normalised(x[k] - mean[k], scale[k], bias[k]) + residual[k], n.epilogue);
    }
    storePack<count>(static_cast<T*>(n.y.data) + pixel * n.y.stride + channel, x);
  });
}

/// A step's two passes.
class BatchNormPasses {
 public:
  explicit BatchNormPasses(const StepDescription& step)
      : attributes_(step.attributes<BatchNormTrainingAttributes>()),
        type_(step.input(0)->dataType),
        hasShortMoments_(step.input(kMeans) && step.input(kSquares)),
        ranges_(PixelRanges::forSums(*step.input(0))),
        x_(sourceOf(step.input(0), nullptr)),
        residual_(sourceOf(step.input(kResidual), nullptr)),
        y_(targetOf(step.output(0), nullptr)) {}

  const PixelRanges& ranges() const { return ranges_; }
  bool meets() const { return attributes_.synchronised && !attributes_.frozen; }
  std::size_t scratchBytes() const { return BatchNormScratch::bytes(ranges_, attributes_.frozen); }

  void findMoments(const StepMemory& memory, cudaStream_t stream) const {
    if (attributes_.frozen) return;
    if (hasShortMoments_) {
      const ShortMoments parts{memory.in<float>(kMeans), memory.in<float>(kSquares)};
      launch<joinShortMomentsKernel>(ranges_.shape<1>(sizeof(RowSumMemory<1>)), stream, parts, ranges_,
                                     scratch(memory).moments);
      return;
    }
    withKernels(memory, [&]<class T, int count>() {
      launch<momentsKernel<T, count>>(ranges_.shape<count>(sizeof(RowSumMemory<count>)), stream, x(memory),
                                      ranges_, scratch(memory).moments);
    });
  }
  /// Of the device's own pixels.
  void findStatistics(const StepMemory& memory, cudaStream_t stream) const {
    launch<statisticsKernel>(joinShape(ranges_.channels), stream, ranges_,
                             attributes_.frozen ? 0 : ranges_.count(), scratch(memory).moments,
                             statistics(memory));
  }
  Statistics statistics(const StepMemory& memory) const {
    const BatchNormScratch found = scratch(memory);
    return {.epsilon = attributes_.epsilon,
            .momentum = attributes_.momentum,
            .frozen = attributes_.frozen,
            .weight = memory.in<float>(1),
            .runningMean = memory.in<float>(3),
            .runningVariance = memory.in<float>(4),
            .mean = memory.out<float>(1),
            .inverseDeviation = memory.out<float>(2),
            .newMean = memory.out<float>(3),
            .newVariance = memory.out<float>(4),
            .meanUsed = found.mean,
            .scale = found.scale};
  }
  void normalise(const StepMemory& memory, cudaStream_t stream) const {
    const BatchNormScratch found = scratch(memory);
    const Normalisation normalisation{.x = x(memory),
                                      .mean = found.mean,
                                      .scale = found.scale,
                                      .bias = memory.in<float>(2),
                                      .residual = residual(memory),
                                      .y = {memory.outputs[0], y_.stride},
                                      .epilogue = {attributes_.activation, attributes_.negativeSlope}};
    withKernels(memory, [&]<class T, int count>() {
      const PixelRanges parts = ranges_.forMap<count>();
      launch<normaliseKernel<T, count>>(parts.template shape<count>(), stream, normalisation, parts);
    });
  }

  BatchNormScratch scratch(const StepMemory& memory) const { return {ranges_, memory.scratch}; }

 private:
  static constexpr std::size_t kResidual = 5, kMeans = 6, kSquares = 7;  // inputs

  Source x(const StepMemory& memory) const { return {memory.inputs[0], x_.stride}; }
  Source residual(const StepMemory& memory) const { return {memory.inputs[kResidual], residual_.stride}; }

  /// body<T, count>(): the element, and the channels of a pack.
  template <class Body>
  void withKernels(const StepMemory& memory, const Body& body) const {
    withFloatType(type_, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(
          ranges_.channels, sizeof(T),
          {x(memory), residual(memory), Target{memory.outputs[0], y_.stride}.asSource()},
          [&](auto count) { body.template operator()<T, count>(); });
    });
  }

  BatchNormTrainingAttributes attributes_;
  DataType type_;
  bool hasShortMoments_;
  PixelRanges ranges_;
  Source x_, residual_;  // of these the strides
  Target y_;
};

/// Of a batch that the group's members share.
class SynchronisedBatchNorm final : public SynchronisedPasses<BatchNormPasses, joinMoments> {
 public:
  using SynchronisedPasses::SynchronisedPasses;

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    passes_.findMoments(memory, stream);
    launch<memberMomentsKernel>(joinShape(ranges_.channels), stream, ranges_, ranges_.count(),
                                passes_.scratch(memory).moments, sums(memory).own);
  }
  void enqueueRest(const StepMemory& memory, cudaStream_t stream) override {
    launch<wholeStatisticsKernel>(channelShape(ranges_.channels), stream, ranges_.channels,
                                  sums(memory).whole, passes_.statistics(memory));
    passes_.normalise(memory, stream);
  }
};

Choice chooseBatchNormTraining(const StepDescription& step, const Device&) {
  const BatchNormPasses passes(step);
  const std::size_t sums = passes.meets() ? MeetingSums::bytes(step.input(0)->channels()) : 0;
  return {.scratchBytes = passes.scratchBytes() + sums};
}

std::unique_ptr<PreparedStep> prepareBatchNormTraining(const StepDescription& step, const Device& device,
                                                       Parameters&) {
  requireChoice(step, chooseBatchNormTraining(step, device));
  const BatchNormPasses passes(step);
  if (passes.meets()) {
    requireGroup(step);
    return std::make_unique<SynchronisedBatchNorm>(passes);
  }
  return preparedStep([passes](const StepMemory& memory, cudaStream_t stream) {
    passes.findMoments(memory, stream);
    passes.findStatistics(memory, stream);
    passes.normalise(memory, stream);
  });
}

}  // namespace

const Op batchNormTrainingOp{.choose = chooseBatchNormTraining, .prepare = prepareBatchNormTraining};

}  // namespace ocrnet::cuda

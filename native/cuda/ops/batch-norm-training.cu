// Two passes over x: the first finds the statistics, the second normalises. Each range of pixels has its sums
// taken around a mean of its own and all ranges are joined in float64: a mean far above the deviation costs
// nothing. Bound by memory: x is read twice and y written once.

#include <cmath>

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
  sumRows(sums, memory);
  sumRows(squares, memory);
  if (!inside || Tile::row() != 0) return;
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * ranges.channels + channel;
  storeChannels(moments.shift, at, shift);
  storeChannels(moments.sums, at, sums);
  storeChannels(moments.squares, at, squares);
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

/// Joins the moments of all ranges (Chan, Golub and LeVeque 1979).
__global__ void __launch_bounds__(kJoinThreads)
    statisticsKernel(PixelRanges ranges, std::int64_t rangeCount, Moments moments, Statistics statistics) {
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
  if (inside && threadIdx.x < kWarpLanes) writeStatistics(statistics, channel, mean, squares, pixels);
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

Choice chooseBatchNormTraining(const StepDescription& step, const Device&) {
  const auto& attributes = step.attributes<BatchNormTrainingAttributes>();
  requireAlone(attributes.synchronised && !attributes.frozen);
  return {.scratchBytes = BatchNormScratch::bytes(PixelRanges::forSums(*step.input(0)), attributes.frozen)};
}

std::unique_ptr<PreparedStep> prepareBatchNormTraining(const StepDescription& step, const Device& device,
                                                       Parameters&) {
  requireChoice(step, chooseBatchNormTraining(step, device));
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const TensorInfo* const residual = step.input(5);
  return preparedStep([attributes = step.attributes<BatchNormTrainingAttributes>(), type = x.dataType,
                       ranges = PixelRanges::forSums(x), xSource = sourceOf(&x, nullptr),
                       residualSource = sourceOf(residual, nullptr),
                       yTarget = targetOf(&y, nullptr)](const StepMemory& memory, cudaStream_t stream) {
    const BatchNormScratch scratch(ranges, memory.scratch);
    const Normalisation normalisation{.x = {memory.inputs[0], xSource.stride},
                                      .mean = scratch.mean,
                                      .scale = scratch.scale,
                                      .bias = memory.in<float>(2),
                                      .residual = {memory.inputs[5], residualSource.stride},
                                      .y = {memory.outputs[0], yTarget.stride},
                                      .epilogue = {attributes.activation, attributes.negativeSlope}};
    const Statistics statistics{.epsilon = attributes.epsilon,
                                .momentum = attributes.momentum,
                                .frozen = attributes.frozen,
                                .weight = memory.in<float>(1),
                                .runningMean = memory.in<float>(3),
                                .runningVariance = memory.in<float>(4),
                                .mean = memory.out<float>(1),
                                .inverseDeviation = memory.out<float>(2),
                                .newMean = memory.out<float>(3),
                                .newVariance = memory.out<float>(4),
                                .meanUsed = scratch.mean,
                                .scale = scratch.scale};
    const Source yAsSource{memory.outputs[0], yTarget.stride};
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(
          ranges.channels, sizeof(T), {normalisation.x, normalisation.residual, yAsSource}, [&](auto count) {
            if (!attributes.frozen) {
              launch<momentsKernel<T, count>>(ranges.shape<count>(sizeof(RowSumMemory<count>)), stream,
                                              normalisation.x, ranges, scratch.moments);
            }
            launch<statisticsKernel>(joinShape(ranges.channels), stream, ranges,
                                     attributes.frozen ? 0 : ranges.count(), scratch.moments, statistics);
            const PixelRanges parts = ranges.forMap<count>();
            launch<normaliseKernel<T, count>>(parts.template shape<count>(), stream, normalisation, parts);
          });
    });
  });
}

}  // namespace

const Op batchNormTrainingOp{.choose = chooseBatchNormTraining, .prepare = prepareBatchNormTraining};

}  // namespace ocrnet::cuda

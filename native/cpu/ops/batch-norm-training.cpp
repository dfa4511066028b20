// Two passes over x: the first finds the statistics, the second normalises. Each block of pixels has its sums
// taken around a mean of its own and all blocks are joined in float64: a mean far above the deviation costs
// nothing. Where a conv2dMoments has found the moments of x, they are joined, and the first pass falls away.
// Devices of a group that share a batch meet before the second and join their moments as blocks are.

#include <cmath>

#include "core/moments.h"
#include "cpu/ops/channel-blocks.h"
#include "cpu/ops/member-sums.h"

namespace ocrnet::cpu {

namespace {

/// BatchNormScratch: two vectors of totals in float64 and the number of pixels; mean and scale; three partial
/// sums for each block, where the blocks are summed here.
struct BatchNormScratch {
  double *mean, *squares;
  float *meanFloat, *scale;
  float *shift, *sums, *sumsOfSquares;

  BatchNormScratch(const ChannelBlocks& blocks, std::byte* memory) {
    const std::int64_t stride = blocks.stride();
    mean = reinterpret_cast<double*>(memory), squares = mean + stride;
    meanFloat = reinterpret_cast<float*>(memory + MemberSums::bytes(blocks)), scale = meanFloat + stride;
    shift = scale + stride, sums = shift + blocks.partialFloats(1),
    sumsOfSquares = sums + blocks.partialFloats(1);
  }
  static std::size_t bytes(const ChannelBlocks& blocks, bool sumsBlocks) {
    return MemberSums::bytes(blocks) + 2 * blocks.stride() * sizeof(float) +
           (sumsBlocks ? blocks.partialFloats(3) * sizeof(float) : 0);
  }
};

struct Moments {
  double mean, squares, pixels;
};

/// Of all pixels, for a range of channels, from those of their parts: momentsOf(part, channel).
template <class MomentsOf>
void joinMoments(std::int64_t pixels, std::int64_t parts, Range channels, const BatchNormScratch& scratch,
                 const MomentsOf& momentsOf) {
  double *const mean = scratch.mean, *const squares = scratch.squares;
  const auto each = [&](const auto& body) {
    for (std::int64_t part = 0; part < parts; ++part) {
      for (std::int64_t c = channels.first; c < channels.end; ++c) body(c, momentsOf(part, c));
    }
  };
  std::fill(mean + channels.first, mean + channels.end, 0.0);
  std::fill(squares + channels.first, squares + channels.end, 0.0);
  const double share = 1 / static_cast<double>(pixels);
  each([&](std::int64_t c, const Moments& part) { mean[c] += part.pixels * share * part.mean; });
  each([&](std::int64_t c, const Moments& part) {
    const double distance = part.mean - mean[c];
    squares[c] += part.squares + part.pixels * distance * distance;
  });
}

/// The same of the sums of blocks.
void joinBlocks(const ChannelBlocks& blocks, Range channels, const BatchNormScratch& scratch) {
  joinMoments(blocks.pixels, blocks.count(), channels, scratch, [&](std::int64_t block, std::int64_t c) {
    const auto n = static_cast<double>(blocks.pixelsOf(block).size());
    const std::int64_t i = block * blocks.stride() + c;
    const double sum = static_cast<double>(scratch.sums[i]);
    return Moments{static_cast<double>(scratch.shift[i]) + sum / n,
                   static_cast<double>(scratch.sumsOfSquares[i]) - sum * sum / n, n};
  });
}

/// The same of what a conv2dMoments has found.
void joinRanges(const ChannelBlocks& blocks, Range channels, const BatchNormScratch& scratch,
                const float* means, const float* squares) {
  const std::int64_t ranges = divideUp(blocks.pixels, kMomentPixels);
  joinMoments(blocks.pixels, ranges, channels, scratch, [&](std::int64_t range, std::int64_t c) {
    const std::int64_t i = range * blocks.channels + c;
    const std::int64_t n = std::min(kMomentPixels, blocks.pixels - range * kMomentPixels);
    return Moments{static_cast<double>(means[i]), static_cast<double>(squares[i]), static_cast<double>(n)};
  });
}

/// Of one channel, over all members.
Moments joinMembers(const MemberSums& members, std::int64_t c) {
  Moments all{0, 0, members.pixels()};
  members.each([&](const double* means, const double*, double n) { all.mean += n / all.pixels * means[c]; });
  members.each([&](const double* means, const double* squares, double n) {
    const double distance = means[c] - all.mean;
    all.squares += squares[c] + n * distance * distance;
  });
  return all;
}

/// An optional input of batchNormTraining.
enum BatchNormInput : std::size_t { kNormResidual = 5, kNormMeans, kNormSquares };

/// Whether the first pass over x is made.
bool sumsBlocks(const StepDescription& step) {
  return !step.attributes<BatchNormTrainingAttributes>().frozen && step.input(kNormMeans) == nullptr;
}

Choice chooseBatchNormTraining(const StepDescription& step, const Device&) {
  return {.scratchBytes = BatchNormScratch::bytes(ChannelBlocks(*step.input(0)), sumsBlocks(step))};
}

std::unique_ptr<PreparedStep> prepareBatchNormTraining(const StepDescription& step, const Device& device,
                                                       Weights&) {
  requireChoice(step, chooseBatchNormTraining(step, device));
  const TensorInfo& x = *step.input(0);
  const auto& attributes = step.attributes<BatchNormTrainingAttributes>();
  const bool meets = attributes.synchronised && !attributes.frozen;
  if (meets) requireGroup(step);
  const BatchNorm batchNorm{.type = x.dataType,
                            .channels = x.channels(),
                            .x = sourceOf(&x),
                            .mean = nullptr,
                            .scale = nullptr,
                            .bias = nullptr,
                            .residual = sourceOf(step.input(kNormResidual)),
                            .y = targetOf(step.output(0)),
                            .epilogue = {attributes.activation, attributes.negativeSlope}};
  return preparedStep([batchNorm, attributes, meets, sumsBlocks = sumsBlocks(step), blocks = ChannelBlocks(x),
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const BatchNormScratch scratch(blocks, memory.scratch);
    const auto *const weight = memory.in<float>(1), *const runningMean = memory.in<float>(3),
                      *const runningVariance = memory.in<float>(4);
    auto *const mean = memory.out<float>(1), *const inverseDeviation = memory.out<float>(2),
                *const newMean = memory.out<float>(3), *const newVariance = memory.out<float>(4);
    BatchNorm b = batchNorm;
    b.x.data = memory.inputs[0];
    b.mean = scratch.meanFloat;
    b.scale = scratch.scale;
    b.bias = memory.in<float>(2);
    b.residual.data = memory.inputs[kNormResidual];
    b.y.data = memory.outputs[0];

    if (sumsBlocks) {
      blocks.each(threads, [&](std::int64_t block, Range channels) {
        const std::int64_t offset = block * blocks.stride();
        kernels.channelMoments({b.type, b.x, {nullptr, 0}}, blocks.pixelsOf(block), channels,
                               scratch.shift + offset, scratch.sums + offset, scratch.sumsOfSquares + offset);
      });
    }
    if (sumsBlocks) {
      blocks.eachChannels(threads, [&](Range channels) { joinBlocks(blocks, channels, scratch); });
    } else if (!attributes.frozen) {
      blocks.eachChannels(threads, [&](Range channels) {
        joinRanges(blocks, channels, scratch, memory.in<float>(kNormMeans), memory.in<float>(kNormSquares));
      });
    }
    MemberSums::whole(blocks, scratch.mean, meets ? memory.group : nullptr, [&](const MemberSums& members) {
      for (std::int64_t c = 0; c < blocks.channels; ++c) {
        const Moments moments = attributes.frozen ? Moments{} : joinMembers(members, c);
        const auto oldMean = static_cast<double>(runningMean[c]),
                   oldVariance = static_cast<double>(runningVariance[c]);
        const double batchMean = attributes.frozen ? oldMean : moments.mean;
        const double variance = attributes.frozen ? oldVariance : moments.squares / moments.pixels;
        const auto deviation =
            static_cast<float>(1 / std::sqrt(variance + static_cast<double>(attributes.epsilon)));
        scratch.meanFloat[c] = static_cast<float>(batchMean);
        scratch.scale[c] = weight[c] * deviation;
        if (mean) mean[c] = scratch.meanFloat[c];
        if (inverseDeviation) inverseDeviation[c] = deviation;
        const double part = attributes.frozen ? 0 : static_cast<double>(attributes.momentum);
        const double unbiased =
            attributes.frozen ? oldVariance : moments.squares / std::max(moments.pixels - 1, 1.0);
        if (newMean) newMean[c] = static_cast<float>((1 - part) * oldMean + part * batchMean);
        if (newVariance) newVariance[c] = static_cast<float>((1 - part) * oldVariance + part * unbiased);
      }
    });
    blocks.eachBackwards(threads, [&](Range pixels) { kernels.batchNorm(b, pixels); });
  });
}

}  // namespace

const Op batchNormTrainingOp{.choose = chooseBatchNormTraining, .prepare = prepareBatchNormTraining};

}  // namespace ocrnet::cpu

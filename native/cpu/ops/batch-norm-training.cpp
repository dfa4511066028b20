// Two passes over x: the first finds the statistics, the second normalises. Each block of pixels has its sums
// taken around a mean of its own and all blocks are joined in float64: a mean far above the deviation costs
// nothing. Devices of a group that share a batch meet between the passes and join their moments as blocks
// are.

#include <cmath>

#include "cpu/ops/channel-blocks.h"
#include "cpu/ops/member-sums.h"

namespace ocrnet::cpu {

namespace {

/// BatchNormScratch: two vectors of totals in float64 and the number of pixels; mean and scale; three partial
/// sums for each block.
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
  static std::size_t bytes(const ChannelBlocks& blocks, bool frozen) {
    return MemberSums::bytes(blocks) + 2 * blocks.stride() * sizeof(float) +
           (frozen ? 0 : blocks.partialFloats(3) * sizeof(float));
  }
};

/// Means over all pixels, and sums of the squared distances from them, of a range of channels.
void joinMoments(const ChannelBlocks& blocks, Range channels, const BatchNormScratch& scratch) {
  const auto each = [&](const auto& body) {
    for (std::int64_t block = 0; block < blocks.count(); ++block) {
      const auto n = static_cast<double>(blocks.pixelsOf(block).size());
      for (std::int64_t c = channels.first; c < channels.end; ++c) {
        const std::int64_t i = block * blocks.stride() + c;
        const double sum = static_cast<double>(scratch.sums[i]);
        body(c, n, static_cast<double>(scratch.shift[i]) + sum / n,
             static_cast<double>(scratch.sumsOfSquares[i]) - sum * sum / n);
      }
    }
  };
  double *const mean = scratch.mean, *const squares = scratch.squares;
  std::fill(mean + channels.first, mean + channels.end, 0.0);
  std::fill(squares + channels.first, squares + channels.end, 0.0);
  const double share = 1 / static_cast<double>(blocks.pixels);
  each([&](std::int64_t c, double n, double blockMean, double) { mean[c] += n * share * blockMean; });
  each([&](std::int64_t c, double n, double blockMean, double blockSquares) {
    const double distance = blockMean - mean[c];
    squares[c] += blockSquares + n * distance * distance;
  });
}

struct Moments {
  double mean, squares, pixels;
};

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

Choice chooseBatchNormTraining(const StepDescription& step, const Device&) {
  const auto& attributes = step.attributes<BatchNormTrainingAttributes>();
  return {.scratchBytes = BatchNormScratch::bytes(ChannelBlocks(*step.input(0)), attributes.frozen)};
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
                            .residual = sourceOf(step.input(5)),
                            .y = targetOf(step.output(0)),
                            .epilogue = {attributes.activation, attributes.negativeSlope}};
  return preparedStep([batchNorm, attributes, meets, blocks = ChannelBlocks(x), threads = device.threads,
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
    b.residual.data = memory.inputs[5];
    b.y.data = memory.outputs[0];

    if (!attributes.frozen) {
      blocks.each(threads, [&](std::int64_t block, Range channels) {
        const std::int64_t offset = block * blocks.stride();
        kernels.channelMoments({b.type, b.x, {nullptr, 0}}, blocks.pixelsOf(block), channels,
                               scratch.shift + offset, scratch.sums + offset, scratch.sumsOfSquares + offset);
      });
    }
    if (!attributes.frozen) {
      blocks.eachChannels(threads, [&](Range channels) { joinMoments(blocks, channels, scratch); });
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

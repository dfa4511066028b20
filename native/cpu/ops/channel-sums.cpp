#include "cpu/ops/channel-blocks.h"

namespace ocrnet::cpu {

namespace {

/// Totals in float64, then the partial sums.
Choice chooseChannelSums(const StepDescription& step, const Device&) {
  const ChannelBlocks blocks(*step.input(0));
  return {.scratchBytes = blocks.stride() * sizeof(double) + blocks.partialFloats(1) * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareChannelSums(const StepDescription& step, const Device& device,
                                                 Weights&) {
  requireChoice(step, chooseChannelSums(step, device));
  const TensorInfo& x = *step.input(0);
  const ChannelTerms terms{x.dataType, sourceOf(&x), sourceOf(step.input(1))};
  return preparedStep([terms, blocks = ChannelBlocks(x), threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    auto* const totals = reinterpret_cast<double*>(memory.scratch);
    auto* const partial = reinterpret_cast<float*>(totals + blocks.stride());
    auto* const y = memory.out<float>(0);
    ChannelTerms t = terms;
    t.x.data = memory.inputs[0];
    t.other.data = memory.inputs[1];
    blocks.each(threads, [&](std::int64_t block, Range channels) {
      kernels.channelSums(t, blocks.pixelsOf(block), channels, partial + block * blocks.stride());
    });
    blocks.eachChannels(threads, [&](Range channels) {
      blocks.total(partial, channels, totals);
      for (std::int64_t c = channels.first; c < channels.end; ++c) y[c] = static_cast<float>(totals[c]);
    });
  });
}

}  // namespace

const Op channelSumsOp{.choose = chooseChannelSums, .prepare = prepareChannelSums};

}  // namespace ocrnet::cpu

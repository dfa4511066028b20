// Two passes: the first finds dBias and dWeight, the second dx, which depends on both; between them the
// devices of a group that share a batch meet.

#include <cmath>

#include "cpu/ops/channel-blocks.h"
#include "cpu/ops/member-sums.h"

namespace ocrnet::cpu {

namespace {

/// BatchNormGradientScratch: two vectors of totals in float64 and the number of pixels; three factors; two
/// partial sums for each block.
struct BatchNormGradientScratch {
  double *gradients, *products;
  float *scale, *constant, *centredFactor;
  float *partialGradients, *partialProducts;

  BatchNormGradientScratch(const ChannelBlocks& blocks, std::byte* memory) {
    const std::int64_t stride = blocks.stride();
    gradients = reinterpret_cast<double*>(memory), products = gradients + stride;
    scale = reinterpret_cast<float*>(memory + MemberSums::bytes(blocks)), constant = scale + stride;
    centredFactor = constant + stride;
    partialGradients = centredFactor + stride;
    partialProducts = partialGradients + blocks.partialFloats(1);
  }
  static std::size_t bytes(const ChannelBlocks& blocks) {
    return MemberSums::bytes(blocks) + (3 * blocks.stride() + blocks.partialFloats(2)) * sizeof(float);
  }
};

Choice chooseBatchNormGradient(const StepDescription& step, const Device&) {
  return {.scratchBytes = BatchNormGradientScratch::bytes(ChannelBlocks(*step.input(0)))};
}

/// 1 / weight, by which x̂ follows from y; 0 where the weight is so small that y does not tell x̂.
double inverseWeight(float weight) {
  const float inverse = 1 / weight;
  return std::isfinite(inverse) ? static_cast<double>(inverse) : 0;
}

std::unique_ptr<PreparedStep> prepareBatchNormGradient(const StepDescription& step, const Device& device,
                                                       Weights&) {
  requireChoice(step, chooseBatchNormGradient(step, device));
  const TensorInfo& dy = *step.input(0);
  const auto& attributes = step.attributes<BatchNormGradientAttributes>();
  const bool meets = attributes.synchronised && !attributes.frozen;
  if (meets) requireGroup(step);
  const TensorInfo* const dResidual = step.output(3);
  const BatchNormGradient gradient{.type = dy.dataType,
                                   .channels = dy.channels(),
                                   .dy = sourceOf(&dy),
                                   .x = sourceOf(step.input(5)),
                                   .y = sourceOf(step.input(6)),
                                   .mean = nullptr,
                                   .scale = nullptr,
                                   .bias = nullptr,
                                   .epilogue = {attributes.activation, attributes.negativeSlope},
                                   .gradientFactor = nullptr,
                                   .constant = nullptr,
                                   .centredFactor = nullptr,
                                   .dx = targetOf(step.output(0)),
                                   .dResidual = {nullptr, dResidual ? dResidual->pixelStride : 0}};
  return preparedStep([gradient, frozen = attributes.frozen, meets, blocks = ChannelBlocks(dy),
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const BatchNormGradientScratch scratch(blocks, memory.scratch);
    const auto *const weight = memory.in<float>(1), *const inverseDeviation = memory.in<float>(4);
    auto *const dWeight = memory.out<float>(1), *const dBias = memory.out<float>(2);
    BatchNormGradient b = gradient;
    b.dy.data = memory.inputs[0];
    b.bias = memory.in<float>(2);
    b.mean = memory.in<float>(3);
    b.x.data = memory.inputs[5];
    b.y.data = memory.inputs[6];
    b.scale = b.gradientFactor = scratch.scale;
    b.constant = scratch.constant;
    b.centredFactor = scratch.centredFactor;
    b.dx.data = memory.outputs[0];
    b.dResidual.data = memory.outputs[3];

    for (std::int64_t c = 0; c < blocks.channels; ++c) scratch.scale[c] = weight[c] * inverseDeviation[c];
    const bool needsSums = !frozen || dWeight || dBias;
    if (needsSums) {
      blocks.each(threads, [&](std::int64_t block, Range channels) {
        const std::int64_t offset = block * blocks.stride();
        kernels.batchNormGradientSums(b, blocks.pixelsOf(block), channels, scratch.partialGradients + offset,
                                      scratch.partialProducts + offset);
      });
    }
    if (needsSums) {
      blocks.eachChannels(threads, [&](Range channels) {
        blocks.total(scratch.partialGradients, channels, scratch.gradients);
        blocks.total(scratch.partialProducts, channels, scratch.products);
      });
    }
    MemberSums::whole(
        blocks, scratch.gradients, meets ? memory.group : nullptr, [&](const MemberSums& members) {
          for (std::int64_t c = 0; c < blocks.channels; ++c) {
            // x̂ = d · normaliser.
            const double normaliser =
                b.x.data ? static_cast<double>(inverseDeviation[c]) : inverseWeight(weight[c]);
            if (dBias) dBias[c] = static_cast<float>(scratch.gradients[c]);
            if (dWeight) dWeight[c] = static_cast<float>(scratch.products[c] * normaliser);
            if (frozen) {
              scratch.constant[c] = scratch.centredFactor[c] = 0;
              continue;
            }
            double sum = 0, product = 0;
            members.each([&](const double* gradients, const double* products, double) {
              sum += gradients[c];
              product += products[c];
            });
            const double share = static_cast<double>(scratch.scale[c]) / members.pixels();
            scratch.constant[c] = static_cast<float>(share * sum);
            scratch.centredFactor[c] = static_cast<float>(share * product * normaliser * normaliser);
          }
        });
    blocks.eachBackwards(threads, [&](Range pixels) { kernels.batchNormGradient(b, pixels); });
  });
}

}  // namespace

const Op batchNormGradientOp{.choose = chooseBatchNormGradient, .prepare = prepareBatchNormGradient};

}  // namespace ocrnet::cpu

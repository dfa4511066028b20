// In two passes over the pixels. The first writes exp(logit − maximum of its block); when the maxima and sums
// of all blocks are known, the second multiplies each block by what is missing. SoftmaxBlocks have a fixed
// size and are combined in their order: the result does not depend on the number of threads.

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/ops/direct.h"
#include "cpu/ops/pixel-blocks.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kBlockPixels = 256;

/// The scratch in floats: maxima and sums (blocks, classes), then each thread's own.
struct SoftmaxBlocks : PixelBlocks {
  std::int64_t classes;

  std::int64_t threadFloats() const { return 2 * classes * kMostLanes; }
  std::int64_t scratchFloats(int threads) const { return 2 * count() * classes + threads * threadFloats(); }
};

SoftmaxBlocks softmaxBlocksOf(const TensorInfo& logits) {
  return {{logits.shape[0], logits.shape[1] * logits.shape[2], kBlockPixels}, logits.channels()};
}

Choice chooseSpatialSoftmax(const StepDescription& step, const Device& device) {
  return {.scratchBytes = softmaxBlocksOf(*step.input(0)).scratchFloats(device.threads) * sizeof(float)};
}

/// Replaces the maxima of an image's blocks by the factors that their exponentials lack.
void findFactors(std::int64_t blocks, std::int64_t classes, float* maxima, const float* sums) {
  for (std::int64_t k = 0; k < classes; ++k) {
    float maximum = -std::numeric_limits<float>::infinity();
    for (std::int64_t i = 0; i < blocks; ++i) maximum = std::max(maximum, maxima[i * classes + k]);
    double total = 0;
    for (std::int64_t i = 0; i < blocks; ++i) {
      total += static_cast<double>(sums[i * classes + k]) * std::exp(maxima[i * classes + k] - maximum);
    }
    for (std::int64_t i = 0; i < blocks; ++i) {
      float& factor = maxima[i * classes + k];
      factor = static_cast<float>(std::exp(factor - maximum) / total);
    }
  }
}

std::unique_ptr<PreparedStep> prepareSpatialSoftmax(const StepDescription& step, const Device& device,
                                                    Weights&) {
  requireChoice(step, chooseSpatialSoftmax(step, device));
  const TensorInfo& logits = *step.input(0);
  return preparedStep([blocks = softmaxBlocksOf(logits), type = logits.dataType, stride = logits.pixelStride,
                       scale = step.attributes<SpatialSoftmaxAttributes>().scale, threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    const std::int64_t classes = blocks.classes;
    float* const maxima = reinterpret_cast<float*>(memory.scratch);
    float* const sums = maxima + blocks.count() * classes;
    float* const rows = sums + blocks.count() * classes;
    const auto eachBlock = [&](const auto& body) {
      parallel(threads, blocks.count(), 1, [&](Range range, int thread) {
        const SpatialSoftmax softmax{.type = type,
                                     .classes = classes,
                                     .scale = scale,
                                     .logits = {memory.inputs[0], stride},
                                     .regions = memory.out<float>(0),
                                     .rows = rows + thread * blocks.threadFloats()};
        for (std::int64_t i = range.first; i < range.end; ++i) body(softmax, i);
      });
    };

    eachBlock([&](const SpatialSoftmax& softmax, std::int64_t i) {
      kernels.exponentiateRegions(softmax, blocks.pixels(i), maxima + i * classes, sums + i * classes);
    });
    for (std::int64_t image = 0; image < blocks.batch; ++image) {
      const std::int64_t first = image * blocks.perImage() * classes;
      findFactors(blocks.perImage(), classes, maxima + first, sums + first);
    }
    eachBlock([&](const SpatialSoftmax& softmax, std::int64_t i) {
      kernels.scaleRegions(softmax, blocks.pixels(i), maxima + i * classes);
    });
  });
}

}  // namespace

const Op spatialSoftmaxOp{.choose = chooseSpatialSoftmax, .prepare = prepareSpatialSoftmax};

}  // namespace ocrnet::cpu

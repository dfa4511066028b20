// In two passes over the pixels. The first writes exp(logit − maximum of its block); when the maxima and sums
// of all blocks are known, the second multiplies each block by what is missing. Blocks have a fixed size and
// are combined in their order: the result does not depend on the number of threads.

#include "cpu/ops/spatial-softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kBlockPixels = 256;

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

SoftmaxOverPixels softmaxOf(const StepDescription& step, const Device& device) {
  return {*step.input(0), step.attributes<SpatialSoftmaxAttributes>().scale, device};
}

Choice chooseSpatialSoftmax(const StepDescription& step, const Device& device) {
  return {.scratchBytes = softmaxOf(step, device).scratchFloats() * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareSpatialSoftmax(const StepDescription& step, const Device& device,
                                                    Weights&) {
  requireChoice(step, chooseSpatialSoftmax(step, device));
  return preparedStep([softmax = softmaxOf(step, device)](const StepMemory& memory) {
    softmax.run(memory.inputs[0], memory.out<float>(0), reinterpret_cast<float*>(memory.scratch));
  });
}

}  // namespace

SoftmaxOverPixels::SoftmaxOverPixels(const TensorInfo& logits, float scale, const Device& device)
    : blocks_{logits.shape[0], logits.shape[1] * logits.shape[2], kBlockPixels},
      classes_(logits.channels()),
      type_(logits.dataType),
      stride_(logits.pixelStride),
      scale_(scale),
      threads_(device.threads),
      kernels_(kernelsFor(device.isa)) {}

void SoftmaxOverPixels::run(const void* logits, float* regions, float* scratch) const {
  // Maxima and sums (blocks, classes), then each thread's own.
  float* const maxima = scratch;
  float* const sums = maxima + blocks_.count() * classes_;
  float* const rows = sums + blocks_.count() * classes_;
  const auto eachBlock = [&](const auto& body) {
    parallel(threads_, blocks_.count(), 1, [&](Range range, int thread) {
      const SpatialSoftmax softmax{.type = type_,
                                   .classes = classes_,
                                   .scale = scale_,
                                   .logits = {logits, stride_},
                                   .regions = regions,
                                   .rows = rows + thread * threadFloats()};
      for (std::int64_t i = range.first; i < range.end; ++i) body(softmax, i);
    });
  };

  eachBlock([&](const SpatialSoftmax& softmax, std::int64_t i) {
    kernels_.exponentiateRegions(softmax, blocks_.pixels(i), maxima + i * classes_, sums + i * classes_);
  });
  for (std::int64_t image = 0; image < blocks_.batch; ++image) {
    const std::int64_t first = image * blocks_.perImage() * classes_;
    findFactors(blocks_.perImage(), classes_, maxima + first, sums + first);
  }
  eachBlock([&](const SpatialSoftmax& softmax, std::int64_t i) {
    kernels_.scaleRegions(softmax, blocks_.pixels(i), maxima + i * classes_);
  });
}

const Op spatialSoftmaxOp{.choose = chooseSpatialSoftmax, .prepare = prepareSpatialSoftmax};

}  // namespace ocrnet::cpu

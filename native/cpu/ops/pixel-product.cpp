#include "cpu/ops/pixel-product.h"

#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kGrainPixels = 48;

}  // namespace

Choice choosePixelProduct(const StepDescription& step, RegionVectors use) {
  const TensorInfo &x = *step.input(0), &vectors = *step.input(1);
  const std::int64_t columns = use == RegionVectors::mixed ? vectors.channels() : vectors.shape[1];
  return {.scratchBytes = x.channels() * roundUp(columns, kMostLanes) * sizeof(float)};
}

std::unique_ptr<PreparedStep> preparePixelProduct(const StepDescription& step, const Device& device,
                                                  RegionVectors use) {
  requireChoice(step, choosePixelProduct(step, use));
  const TensorInfo &x = *step.input(0), &vectors = *step.input(1), &y = *step.output(0);
  return preparedStep([batch = x.shape[0], pixels = x.shape[1] * x.shape[2], depth = x.channels(),
                       stride = x.pixelStride, type = vectors.dataType, classes = vectors.shape[1],
                       channels = vectors.channels(), outputType = y.dataType, columns = y.channels(),
                       target = targetOf(&y), transpose = use == RegionVectors::scored,
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    float* const panels = reinterpret_cast<float*>(memory.scratch);
    const PixelProduct product{.outputType = outputType,
                               .depth = depth,
                               .columns = columns,
                               .x = memory.in<float>(0),
                               .stride = stride,
                               .panels = panels,
                               .y = {memory.outputs[0], target.stride}};
    for (std::int64_t image = 0; image < batch; ++image) {
      kernels.packPanels(type, memory.inputs[1] + image * classes * channels * bytesPerElement(type), classes,
                         channels, transpose, panels);
      parallel(threads, pixels, kGrainPixels, [&](Range range, int) {
        kernels.pixelProduct(product, {image * pixels + range.first, image * pixels + range.end});
      });
    }
  });
}

}  // namespace ocrnet::cpu

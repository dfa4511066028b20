#include "cpu/ops/pixel-product.h"

#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// The scratch, in floats: the panels of an image's vectors, then each thread's converted rows of x.
struct ProductLayout {
  std::int64_t panels, rows;

  std::int64_t total(int threads) const { return panels + threads * rows; }
};

ProductLayout productLayout(const StepDescription& step, RegionVectors use) {
  const TensorInfo &x = *step.input(0), &vectors = *step.input(1);
  const std::int64_t columns = use == RegionVectors::mixed ? vectors.channels() : vectors.shape[1];
  return {.panels = x.channels() * roundUp(columns, kMostLanes),
          .rows = x.dataType == DataType::float32 ? 0 : kProductPixels * x.channels()};
}

}  // namespace

Choice choosePixelProduct(const StepDescription& step, const Device& device, RegionVectors use) {
  return {.scratchBytes = productLayout(step, use).total(device.threads) * sizeof(float)};
}

std::unique_ptr<PreparedStep> preparePixelProduct(const StepDescription& step, const Device& device,
                                                  RegionVectors use) {
  requireChoice(step, choosePixelProduct(step, device, use));
  const TensorInfo &x = *step.input(0), &vectors = *step.input(1), &y = *step.output(0);
  const PixelProduct product{.inputType = x.dataType,
                             .outputType = y.dataType,
                             .depth = x.channels(),
                             .columns = y.channels(),
                             .x = sourceOf(&x),
                             .panels = nullptr,
                             .y = targetOf(&y),
                             .rows = nullptr};
  return preparedStep([product, layout = productLayout(step, use), batch = x.shape[0],
                       pixels = x.shape[1] * x.shape[2], type = vectors.dataType, classes = vectors.shape[1],
                       channels = vectors.channels(), transpose = use == RegionVectors::scored,
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    float* const panels = reinterpret_cast<float*>(memory.scratch);
    PixelProduct p = product;
    p.x.data = memory.inputs[0];
    p.panels = panels;
    p.y.data = memory.outputs[0];
    for (std::int64_t image = 0; image < batch; ++image) {
      kernels.packPanels(type, memory.inputs[1] + image * classes * channels * bytesPerElement(type), classes,
                         channels, transpose, panels);
      parallel(threads, pixels, kProductPixels, [&](Range range, int thread) {
        PixelProduct mine = p;
        mine.rows = panels + layout.panels + thread * layout.rows;
        kernels.pixelProduct(mine, {image * pixels + range.first, image * pixels + range.end});
      });
    }
  });
}

}  // namespace ocrnet::cpu

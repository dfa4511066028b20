#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

struct Regions {
  std::int64_t batch, labelHeight, labelWidth, height, width, classes;

  /// label(image, row, column) of the grid: the pixel at the cell's upper left, as PyTorch's nearest takes
  /// it.
  template <class Label>
  std::int64_t at(const std::byte* labels, std::int64_t image, std::int64_t row, std::int64_t column) const {
    const std::int64_t labelRow = image * labelHeight + row * labelHeight / height;
    return reinterpret_cast<const Label*>(labels)[labelRow * labelWidth + column * labelWidth / width];
  }

  /// Of one image.
  template <class Label>
  void write(const std::byte* labels, std::int64_t image, bool normalised, std::int64_t* counts,
             float* regions) const {
    const auto each = [&](const auto& body) {
      for (std::int64_t row = 0; row < height; ++row) {
        for (std::int64_t column = 0; column < width; ++column) {
          const std::int64_t label = at<Label>(labels, image, row, column);
          if (label < classes) body((row * width + column) * classes, label);
        }
      }
    };
    float* const own = regions + image * height * width * classes;
    std::fill(own, own + height * width * classes, 0.0f);
    std::fill(counts, counts + classes, 0);
    if (normalised) each([&](std::int64_t, std::int64_t label) { ++counts[label]; });
    each([&](std::int64_t pixel, std::int64_t label) {
      own[pixel + label] = normalised ? 1 / static_cast<float>(counts[label]) : 1;
    });
  }
};

Choice chooseLabelRegions(const StepDescription& step, const Device&) {
  const TensorInfo& regions = *step.output(0);
  return {.scratchBytes = regions.shape[0] * regions.channels() * sizeof(std::int64_t)};
}

std::unique_ptr<PreparedStep> prepareLabelRegions(const StepDescription& step, const Device& device,
                                                  Weights&) {
  requireChoice(step, chooseLabelRegions(step, device));
  const TensorInfo &labels = *step.input(0), &regions = *step.output(0);
  return preparedStep([sizes = Regions{labels.shape[0], labels.shape[1], labels.shape[2], regions.shape[1],
                                       regions.shape[2], regions.channels()},
                       bytes = labels.dataType == DataType::uint8,
                       normalised = step.attributes<LabelRegionsAttributes>().normalised,
                       threads = device.threads](const StepMemory& memory) {
    parallel(threads, sizes.batch, 1, [&](Range images, int) {
      for (std::int64_t image = images.first; image < images.end; ++image) {
        auto* const counts = reinterpret_cast<std::int64_t*>(memory.scratch) + image * sizes.classes;
        if (bytes) {
          sizes.write<std::uint8_t>(memory.inputs[0], image, normalised, counts, memory.out<float>(0));
        } else {
          sizes.write<std::uint16_t>(memory.inputs[0], image, normalised, counts, memory.out<float>(0));
        }
      }
    });
  });
}

}  // namespace

const Op labelRegionsOp{.choose = chooseLabelRegions, .prepare = prepareLabelRegions};

}  // namespace ocrnet::cpu

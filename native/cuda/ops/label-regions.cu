// One pass over the regions, which writes them whole. For normalised regions a pass over the labels precedes
// it, each class counted by a block of its own: labels are few, and sums of whole numbers need no order.

#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

constexpr int kCountThreads = 256;

struct Labels {
  const void* data;  // (images, labelHeight, labelWidth)
  std::int64_t images, labelHeight, labelWidth, height, width, classes;

  __device__ std::int64_t imagePixels() const { return height * width; }
  /// The label at the upper left of the pixel's cell, as PyTorch's nearest mode takes it.
  template <class Label>
  __device__ __forceinline__ std::int64_t at(std::int64_t image, std::int64_t pixel) const {
    const std::int64_t row = pixel / width * labelHeight / height,
                       column = pixel % width * labelWidth / width;
    return static_cast<const Label*>(data)[(image * labelHeight + row) * labelWidth + column];
  }
};

/// shares (images, classes): what each pixel of a region has of its sum of one.
template <class Label>
__global__ void __launch_bounds__(kCountThreads) sharesKernel(Labels labels, float* shares) {
  auto& memory = sharedMemory<ReductionMemory<int, kCountThreads>>();
  const std::int64_t image = blockIdx.x / labels.classes, c = blockIdx.x % labels.classes;
  int count = 0;
  for (std::int64_t pixel = threadIdx.x; pixel < labels.imagePixels(); pixel += kCountThreads) {
    count += labels.at<Label>(image, pixel) == c;
  }
  count = blockSum<kCountThreads>(count, memory);
  if (threadIdx.x == 0) shares[blockIdx.x] = 1 / static_cast<float>(count);
}

/// `shares` may be null: then they are 1.
template <class Label>
__global__ void __launch_bounds__(kElementThreads)
    regionsKernel(Labels labels, const float* shares, float* regions) {
  const std::int64_t i = packIndex();
  if (i >= labels.images * labels.imagePixels() * labels.classes) return;
  const std::int64_t pixel = i / labels.classes, c = i % labels.classes;
  const std::int64_t image = pixel / labels.imagePixels();
  const bool own = labels.at<Label>(image, pixel % labels.imagePixels()) == c;
  regions[i] = !own ? 0 : shares ? shares[image * labels.classes + c] : 1;
}

Choice chooseLabelRegions(const StepDescription& step, const Device&) {
  const TensorInfo& regions = *step.output(0);
  const bool normalised = step.attributes<LabelRegionsAttributes>().normalised;
  return {.scratchBytes = normalised ? regions.shape[0] * regions.channels() * sizeof(float) : 0};
}

std::unique_ptr<PreparedStep> prepareLabelRegions(const StepDescription& step, const Device& device,
                                                  Parameters&) {
  requireChoice(step, chooseLabelRegions(step, device));
  const TensorInfo &labels = *step.input(0), &regions = *step.output(0);
  const Labels sizes{nullptr,          labels.shape[0],  labels.shape[1],   labels.shape[2],
                     regions.shape[1], regions.shape[2], regions.channels()};
  return preparedStep([sizes, bytes = labels.dataType == DataType::uint8,
                       normalised = step.attributes<LabelRegionsAttributes>().normalised](
                          const StepMemory& memory, cudaStream_t stream) {
    Labels of = sizes;
    of.data = memory.inputs[0];
    float* const shares = normalised ? memory.scratchAs<float>() : nullptr;
    const PixelPacks packs{of.images * of.height * of.width, of.classes};
    const auto run = [&](auto label) {
      using Label = decltype(label);
      if (normalised) {
        launch<sharesKernel<Label>>({dim3(static_cast<unsigned>(of.images * of.classes)), kCountThreads,
                                     sizeof(ReductionMemory<int, kCountThreads>)},
                                    stream, of, shares);
      }
      launch<regionsKernel<Label>>(packs.shape(), stream, of, shares, memory.out<float>(0));
    };
    bytes ? run(std::uint8_t{}) : run(std::uint16_t{});
  });
}

}  // namespace

const Op labelRegionsOp{.choose = chooseLabelRegions, .prepare = prepareLabelRegions};

}  // namespace ocrnet::cuda

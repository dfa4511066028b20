// A thread has one pixel of the result and walks over the classes. Neighbours share their source pixels,
// which stay in the L1 cache; scores are made again for the confidence.

#include "cuda/ops/resized-scores.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

namespace {

template <class Label>
__global__ void __launch_bounds__(kElementThreads)
    resizeArgmaxKernel(ResizedScores scores, Label* labels, float* confidence, MapPacks pixels) {
  const std::int64_t i = packIndex();
  if (i >= pixels.count) return;
  const PixelScores score = scores.at(pixels.place(i));
  float most = score(0);
  std::int64_t winner = 0;
#pragma unroll 4
  for (std::int64_t k = 1; k < scores.classes; ++k) {
    const float value = score(k);
    if (value > most) {  // a NaN never wins
      most = value;
      winner = k;
    }
  }
  labels[i] = static_cast<Label>(winner);
  if (!confidence) return;
  float sum = 0;
#pragma unroll 4
  for (std::int64_t k = 0; k < scores.classes; ++k) sum += expf(score(k) - most);
  confidence[i] = 1 / sum;
}

std::unique_ptr<PreparedStep> prepareResizeArgmax(const StepDescription& step, const Device&,
                                                  Parameters& parameters) {
  requireChoice(step, Choice{});
  const auto& a = step.attributes<ResizeArgmaxAttributes>();
  const TensorInfo& logits = *step.input(0);
  return preparedStep([logits, height = a.height, width = a.width, labelType = a.labelType,
                       rows = Table(parameters, bilinearTaps(logits.shape[1], a.height, a.alignCorners)),
                       columns = Table(parameters, bilinearTaps(logits.shape[2], a.width, a.alignCorners))](
                          const StepMemory& memory, cudaStream_t stream) {
    const ResizedScores scores{.height = logits.shape[1],
                               .width = logits.shape[2],
                               .classes = logits.channels(),
                               .logits = memory.in<float>(0),
                               .rows = rows.data(),
                               .columns = columns.data()};
    const MapPacks pixels(logits.shape[0], height, width, 1);
    const auto write = [&](auto label) {
      using Label = decltype(label);
      launch<resizeArgmaxKernel<Label>>(pixels.shape(), stream, scores, memory.out<Label>(0),
                                        memory.out<float>(1), pixels);
    };
    labelType == LabelType::uint8 ? write(std::uint8_t{}) : write(std::uint16_t{});
  });
}

}  // namespace

const Op resizeArgmaxOp{.choose = withoutScratch, .prepare = prepareResizeArgmax};

}  // namespace ocrnet::cuda

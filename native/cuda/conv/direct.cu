// A thread for each result, which sums in order over taps and channels. For what no better kernel takes:
// neighbouring threads have neighbouring results of a pixel, so sources are broadcast and filters gathered.

#include "cuda/conv/algorithm.h"
#include "cuda/conv/finish.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda::conv {

namespace {

struct Direct {
  Source source;
  const float* filter;
  Axis vertical, horizontal;
  int sourceChannels, resultChannels;  // of a group
  FilterStrides strides;
  Finish finish;
};

template <class T>
__global__ void __launch_bounds__(kElementThreads) directKernel(Direct d, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const std::int64_t pixel = i / packs.packs;
  const int channel = static_cast<int>(i % packs.packs);
  const int column = static_cast<int>(pixel % d.horizontal.results);
  const std::int64_t line = pixel / d.horizontal.results;
  const int row = static_cast<int>(line % d.vertical.results);
  const int image = static_cast<int>(line / d.vertical.results);
  const int group = channel / d.resultChannels;
  const Phase rows = phaseOf(d.vertical, row % d.vertical.divisor);
  const Phase columns = phaseOf(d.horizontal, column % d.horizontal.divisor);
  const T* const source = d.source.as<T>() + static_cast<std::int64_t>(group) * d.sourceChannels;
  const float* const filter =
      d.filter + group * d.strides.group + channel % d.resultChannels * d.strides.result;

  float sum[1] = {0};
  for (int u = 0; u < rows.taps; ++u) {
    const int y = row / d.vertical.divisor * rows.multiplier + rows.offset + u * rows.step;
    if (!inside(y, d.vertical.sources)) continue;
    for (int v = 0; v < columns.taps; ++v) {
      const int x = column / d.horizontal.divisor * columns.multiplier + columns.offset + v * columns.step;
      if (!inside(x, d.horizontal.sources)) continue;
      const std::int64_t at =
          (static_cast<std::int64_t>(image) * d.vertical.sources + y) * d.horizontal.sources + x;
      const T* const from = source + at * d.source.stride;
      const float* const weights =
          filter + (rows.tapAt(u) * d.horizontal.taps + columns.tapAt(v)) * d.strides.tap;
      for (int c = 0; c < d.sourceChannels; ++c) sum[0] += toFloat32(from[c]) * weights[c * d.strides.source];
    }
  }
  finish<T>(d.finish, pixel, channel, sum);
}

bool supportsDirect(const Problem&, const Device&) { return true; }

Estimate estimateDirect(const Problem& problem, const Device& device) {
  constexpr double kProductsPerMicrosecond = 4000;  // of one multiprocessor: a load or two for each
  return {"direct", problem.products() / (kProductsPerMicrosecond * device.multiprocessors), 0};
}

std::unique_ptr<PreparedStep> prepareDirect(const Problem& problem, const StepDescription&, const Device&,
                                            Parameters&) {
  return preparedStep([=](const StepMemory& memory, cudaStream_t stream) {
    const PixelPacks packs{problem.resultPixels(),
                           static_cast<std::int64_t>(problem.groups) * problem.resultChannels};
    const Direct d{.source = {memory.inputs[kSourceInput], problem.sourceStride},
                   .filter = memory.in<float>(kFilterInput),
                   .vertical = problem.vertical,
                   .horizontal = problem.horizontal,
                   .sourceChannels = problem.sourceChannels,
                   .resultChannels = problem.resultChannels,
                   .strides = problem.filter,
                   .finish = finishOf(problem, memory)};
    withFloatType(problem.sourceType, [&](auto element) {
      launch<directKernel<decltype(element)>>(packs.shape(), stream, d, packs);
    });
  });
}

}  // namespace

const Algorithm direct{supportsDirect, estimateDirect, prepareDirect};

}  // namespace ocrnet::cuda::conv

#include "cuda/ops/channel-rows.h"

namespace ocrnet::cuda {

namespace {

/// dx may be dy: a thread writes what it alone reads, after the last meeting of its row.
struct SoftmaxGradient {
  std::int64_t rows, channels;
  float scale;
  Source y, dy;
  Target dx;
};

template <class Threads>
__global__ void __launch_bounds__(kRowBlockThreads) softmaxGradientKernel(SoftmaxGradient s) {
  const std::int64_t row = Threads::row();
  if (row >= s.rows) return;  // all threads of the row
  const float* const y = s.y.as<float>() + row * s.y.stride;
  const float* const dy = s.dy.as<float>() + row * s.dy.stride;
  float* const dx = static_cast<float*>(s.dx.data) + row * s.dx.stride;
  float sum = 0;
  Threads::each(s.channels, [&](std::int64_t c) { sum = fmaf(y[c], dy[c], sum); });
  const float mean = Threads::sum(sum);
  Threads::each(s.channels, [&](std::int64_t c) { dx[c] = s.scale * (y[c] * (dy[c] - mean)); });
}

std::unique_ptr<PreparedStep> prepareSoftmaxGradient(const StepDescription& step, const Device&,
                                                     Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo &y = *step.input(0), &dy = *step.input(1), &dx = *step.output(0);
  return preparedStep([rows = y.pixels(), channels = y.channels(), yStride = y.pixelStride,
                       dyStride = dy.pixelStride, dxStride = dx.pixelStride,
                       scale = step.attributes<SoftmaxGradientAttributes>().scale](const StepMemory& memory,
                                                                                   cudaStream_t stream) {
    const SoftmaxGradient gradient{rows,
                                   channels,
                                   scale,
                                   {memory.inputs[0], yStride},
                                   {memory.inputs[1], dyStride},
                                   {memory.outputs[0], dxStride}};
    withRowThreads(rows, channels, [&](auto threads, const LaunchShape& shape) {
      launch<softmaxGradientKernel<decltype(threads)>>(shape, stream, gradient);
    });
  });
}

}  // namespace

const Op softmaxGradientOp{.choose = withoutScratch, .prepare = prepareSoftmaxGradient};

}  // namespace ocrnet::cuda

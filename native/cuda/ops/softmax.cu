#include <cmath>

#include "cuda/device/element.h"
#include "cuda/ops/channel-rows.h"

namespace ocrnet::cuda {

namespace {

/// y may be x: a thread writes what it alone reads, after the last meeting of its row.
struct Softmax {
  std::int64_t rows, channels;
  float scale;
  Source x;
  Target y;
};

template <class T, class Threads>
__global__ void __launch_bounds__(kRowBlockThreads) softmaxKernel(Softmax s) {
  const std::int64_t row = Threads::row();
  if (row >= s.rows) return;  // all threads of the row
  const T* const x = s.x.as<T>() + row * s.x.stride;
  float* const y = static_cast<float*>(s.y.data) + row * s.y.stride;
  float maximum = -INFINITY, sum = 0;
  Threads::each(s.channels, [&](std::int64_t c) { maximum = fmaxf(maximum, s.scale * toFloat32(x[c])); });
  maximum = Threads::maximum(maximum);
  Threads::each(s.channels, [&](std::int64_t c) { sum += expf(s.scale * toFloat32(x[c]) - maximum); });
  const float factor = 1 / Threads::sum(sum);
  Threads::each(s.channels,
                [&](std::int64_t c) { y[c] = expf(s.scale * toFloat32(x[c]) - maximum) * factor; });
}

std::unique_ptr<PreparedStep> prepareSoftmax(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  const TensorInfo& x = *step.input(0);
  return preparedStep([rows = x.pixels(), channels = x.channels(), type = x.dataType, xStride = x.pixelStride,
                       yStride = step.output(0)->pixelStride,
                       scale = step.attributes<SoftmaxAttributes>().scale](const StepMemory& memory,
                                                                           cudaStream_t stream) {
    const Softmax softmax{rows, channels, scale, {memory.inputs[0], xStride}, {memory.outputs[0], yStride}};
    withFloatType(type, [&](auto element) {
      withRowThreads(rows, channels, [&](auto threads, const LaunchShape& shape) {
        launch<softmaxKernel<decltype(element), decltype(threads)>>(shape, stream, softmax);
      });
    });
  });
}

}  // namespace

const Op softmaxOp{.choose = withoutScratch, .prepare = prepareSoftmax};

}  // namespace ocrnet::cuda

// Where in its window each maximum lies is found first; then each pixel of dx asks the windows that it lies
// in whether the maximum is its own.

#include "cuda/device/element.h"
#include "cuda/ops/window.h"

namespace ocrnet::cuda {

namespace {

/// Of a maximum among the pixels of its window, row by row.
using WindowPlace = std::uint16_t;
constexpr int kMostKernel = 256;
constexpr int kPlacePack = 4;

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    findMaximaKernel(PoolingWindows w, Source x, WindowPlace* places, MapPacks packs) {
  const std::int64_t index = packIndex();
  if (index >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(index);
  const auto rows = w.axis(row, w.height), columns = w.axis(column, w.width);
  float most[count];
  Pack<WindowPlace, count> found;
#pragma unroll
  for (int k = 0; k < count; ++k) {
    most[k] = -INFINITY;
    // The first one, where all are −∞.
    found.elements[k] =
        static_cast<WindowPlace>((rows.first - rows.origin) * w.kernel + columns.first - columns.origin);
  }
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    for (std::int64_t j = columns.first; j < columns.end; ++j) {
      const auto place = static_cast<WindowPlace>((i - rows.origin) * w.kernel + j - columns.origin);
      float values[count];
      loadPack<count>(x.as<T>() + ((image * w.height + i) * w.width + j) * x.stride + pack * count, values);
#pragma unroll
      for (int k = 0; k < count; ++k) {
        if (!isBetter(values[k], most[k])) continue;
        most[k] = values[k];
        found.elements[k] = place;
      }
    }
  }
  reinterpret_cast<Pack<WindowPlace, count>*>(places)[index] = found;
}

/// `outputHeight`, `outputWidth` are those of dy and of places.
template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    gatherGradientsKernel(PoolingWindows w, const WindowPlace* places, std::int64_t outputHeight,
                          std::int64_t outputWidth, Source dy, Target dx, MapPacks packs) {
  const std::int64_t index = packIndex();
  if (index >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(index);
  const auto rows = w.containing(row, outputHeight), columns = w.containing(column, outputWidth);
  float sum[count] = {};
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    for (std::int64_t j = columns.first; j < columns.end; ++j) {
      const std::int64_t window = (image * outputHeight + i) * outputWidth + j;
      const auto own = static_cast<WindowPlace>((row - (i * w.stride - w.padding)) * w.kernel + column -
                                                (j * w.stride - w.padding));
      const auto found =
          reinterpret_cast<const Pack<WindowPlace, count>*>(places)[window * packs.packs.value() + pack];
      float gradient[count];
      loadPack<count>(dy.as<T>() + window * dy.stride + pack * count, gradient);
#pragma unroll
      for (int k = 0; k < count; ++k) sum[k] += found.elements[k] == own ? gradient[k] : 0;
    }
  }
  storePack<count>(dx.as<T>() + pixel * dx.stride + pack * count, sum);
}

Choice chooseMaxPool2dGradient(const StepDescription& step, const Device&) {
  if (step.attributes<MaxPool2dGradientAttributes>().kernel > kMostKernel) {
    throw Error("UNSUPPORTED", "has no kernel for windows of more than " + std::to_string(kMostKernel) +
                                   " × " + std::to_string(kMostKernel) + " pixels");
  }
  return {.scratchBytes = step.input(1)->elements() * sizeof(WindowPlace)};
}

std::unique_ptr<PreparedStep> prepareMaxPool2dGradient(const StepDescription& step, const Device& device,
                                                       Parameters&) {
  requireChoice(step, chooseMaxPool2dGradient(step, device));
  const auto& a = step.attributes<MaxPool2dGradientAttributes>();
  const TensorInfo &x = *step.input(0), &dy = *step.input(1), &dx = *step.output(0);
  return preparedStep(
      [x, dy, dx, windows = PoolingWindows{x.shape[1], x.shape[2], a.kernel, a.stride, a.padding}](
          const StepMemory& memory, cudaStream_t stream) {
        const Source values{memory.inputs[0], x.pixelStride}, gradients{memory.inputs[1], dy.pixelStride};
        const Target target{memory.outputs[0], dx.pixelStride};
        auto* const places = memory.scratchAs<WindowPlace>();
        withFloatType(x.dataType, [&](auto element) {
          using T = decltype(element);
          withPacks<kPlacePack>(
              x.channels(), sizeof(float), {values, gradients, target.asSource()}, [&](auto count) {
                const MapPacks found(dy, count), written(dx, count);
                launch<findMaximaKernel<T, count>>(found.shape(), stream, windows, values, places, found);
                launch<gatherGradientsKernel<T, count>>(written.shape(), stream, windows, places, dy.shape[1],
                                                        dy.shape[2], gradients, target, written);
              });
        });
      });
}

}  // namespace

const Op maxPool2dGradientOp{.choose = chooseMaxPool2dGradient, .prepare = prepareMaxPool2dGradient};

}  // namespace ocrnet::cuda

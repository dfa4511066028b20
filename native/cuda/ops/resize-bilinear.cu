#include "core/bilinear.h"
#include "cuda/device/activation.h"
#include "cuda/device/element.h"
#include "cuda/map-packs.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

namespace {

struct ResizeBilinear {
  std::int64_t height, width;         // of x
  const BilinearTap *rows, *columns;  // of y
  Source x, residual;                 // the residual's data may be null
  Target y;
  Epilogue epilogue;
};

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads) resizeBilinearKernel(ResizeBilinear r, MapPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(i);
  const BilinearTap vertical = r.rows[row], horizontal = r.columns[column];
  const auto loadSource = [&](std::int32_t sourceRow, std::int32_t sourceColumn, float(&x)[count]) {
    const std::int64_t source = (image * r.height + sourceRow) * r.width + sourceColumn;
    loadPack<count>(r.x.as<T>() + source * r.x.stride + pack * count, x);
  };
  float upperLeft[count], upperRight[count], lowerLeft[count], lowerRight[count], residual[count];
  loadSource(vertical.first, horizontal.first, upperLeft);
  loadSource(vertical.first, horizontal.second, upperRight);
  loadSource(vertical.second, horizontal.first, lowerLeft);
  loadSource(vertical.second, horizontal.second, lowerRight);
  if (r.residual.data) {
    loadPack<count>(r.residual.as<T>() + pixel * r.residual.stride + pack * count, residual);
  }
  const auto mix = [](float a, float b, float weight) { return fmaf(weight, b, (1 - weight) * a); };
#pragma unroll
  for (int k = 0; k < count; ++k) {
    const float upper = mix(upperLeft[k], upperRight[k], horizontal.weight),
                lower = mix(lowerLeft[k], lowerRight[k], horizontal.weight);
    float y = mix(upper, lower, vertical.weight);
    if (r.residual.data) y += residual[k];
    upperLeft[k] = activated(y, r.epilogue);
  }
  storePack<count>(r.y.as<T>() + pixel * r.y.stride + pack * count, upperLeft);
}

std::unique_ptr<PreparedStep> prepareResizeBilinear(const StepDescription& step, const Device&,
                                                    Parameters& parameters) {
  requireChoice(step, Choice{});
  const auto& a = step.attributes<ResizeBilinearAttributes>();
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  return preparedStep([x, y, residualStride = step.input(1) ? step.input(1)->pixelStride : 0,
                       epilogue = Epilogue{a.activation, a.negativeSlope},
                       rows = Table(parameters, bilinearTaps(x.shape[1], y.shape[1], a.alignCorners)),
                       columns = Table(parameters, bilinearTaps(x.shape[2], y.shape[2], a.alignCorners))](
                          const StepMemory& memory, cudaStream_t stream) {
    const ResizeBilinear r{.height = x.shape[1],
                           .width = x.shape[2],
                           .rows = rows.data(),
                           .columns = columns.data(),
                           .x = {memory.inputs[0], x.pixelStride},
                           .residual = {memory.inputs[1], residualStride},
                           .y = {memory.outputs[0], y.pixelStride},
                           .epilogue = epilogue};
    withFloatType(x.dataType, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(x.channels(), sizeof(T), {r.x, r.residual, r.y.asSource()},
                                  [&](auto count) {
                                    const MapPacks packs(y, count);
                                    launch<resizeBilinearKernel<T, count>>(packs.shape(), stream, r, packs);
                                  });
    });
  });
}

}  // namespace

const Op resizeBilinearOp{.choose = withoutScratch, .prepare = prepareResizeBilinear};

}  // namespace ocrnet::cuda

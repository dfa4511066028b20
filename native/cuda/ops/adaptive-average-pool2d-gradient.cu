#include "core/cells.h"
#include "cuda/device/element.h"
#include "cuda/map-packs.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

namespace {

struct AveragePoolGradient {
  std::int64_t cellRows, cellColumns;
  const Range *rows, *columns;  // the cells that each position of dx lies in
  const float* shares;          // (cellRows, cellColumns), of a pixel in the mean of a cell
  Source dy;
  Target dx;
};

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    averagePoolGradientKernel(AveragePoolGradient p, MapPacks packs) {
  const std::int64_t index = packIndex();
  if (index >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(index);
  const Range rows = p.rows[row], columns = p.columns[column];
  float sum[count] = {};
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    for (std::int64_t j = columns.first; j < columns.end; ++j) {
      const std::int64_t cell = i * p.cellColumns + j;
      float dy[count];
      loadPack<count>(p.dy.as<T>() + (image * p.cellRows * p.cellColumns + cell) * p.dy.stride + pack * count,
                      dy);
#pragma unroll
      for (int k = 0; k < count; ++k) sum[k] = fmaf(p.shares[cell], dy[k], sum[k]);
    }
  }
  storePack<count>(p.dx.as<T>() + pixel * p.dx.stride + pack * count, sum);
}

std::unique_ptr<PreparedStep> prepareAdaptiveAveragePool2dGradient(const StepDescription& step, const Device&,
                                                                   Parameters& parameters) {
  requireChoice(step, Choice{});
  const TensorInfo &dy = *step.input(0), &dx = *step.output(0);
  return preparedStep(
      [dy, dx, rows = Table(parameters, cellsOf(dx.shape[1], dy.shape[1])),
       columns = Table(parameters, cellsOf(dx.shape[2], dy.shape[2])),
       shares = Table(parameters, cellShares(dy.shape[1], dy.shape[2], dx.shape[1], dx.shape[2]))](
          const StepMemory& memory, cudaStream_t stream) {
        const AveragePoolGradient p{.cellRows = dy.shape[1],
                                    .cellColumns = dy.shape[2],
                                    .rows = rows.data(),
                                    .columns = columns.data(),
                                    .shares = shares.data(),
                                    .dy = {memory.inputs[0], dy.pixelStride},
                                    .dx = {memory.outputs[0], dx.pixelStride}};
        withFloatType(dx.dataType, [&](auto element) {
          using T = decltype(element);
          withPacks<kPackElements<T>>(dx.channels(), sizeof(T), {p.dy, p.dx.asSource()}, [&](auto count) {
            const MapPacks packs(dx, count);
            launch<averagePoolGradientKernel<T, count>>(packs.shape(), stream, p, packs);
          });
        });
      });
}

}  // namespace

const Op adaptiveAveragePool2dGradientOp{.choose = withoutScratch,
                                         .prepare = prepareAdaptiveAveragePool2dGradient};

}  // namespace ocrnet::cuda

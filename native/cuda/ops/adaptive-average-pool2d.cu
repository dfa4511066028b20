// A cell's rows are summed in parts, so that a mean over a whole image keeps a GPU busy, too: each block has
// a part of one cell and a tile of channels. Where there are several parts, a second kernel adds them up.

#include "core/cells.h"
#include "cuda/device/element.h"
#include "cuda/device/reduce.h"
#include "cuda/device/shared.h"
#include "cuda/map-packs.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

namespace {

/// Threads of a block: as many packs side by side as a warp has lanes, in teams that take turns with pixels.
constexpr int kTeams = 8;
static_assert(kTeams * kWarpLanes == kElementThreads);

struct AveragePool {
  std::int64_t height, width;   // of x
  std::int64_t parts;           // of a cell
  const Range *rows, *columns;  // of the cells
  const float* shares;          // (cells), of a pixel in the mean of a cell
  Source x;
  Target y;
  float* partial;  // (pixels of y, parts, channels), where there are several parts
};

template <int count>
struct TeamSums {
  float of[kTeams][count][kWarpLanes];
};

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    sumCellsKernel(AveragePool p, MapPacks cells, Divisor parts, Divisor tiles) {
  auto& sums = sharedMemory<TeamSums<count>>();
  const int lane = threadIdx.x % kWarpLanes, team = threadIdx.x / kWarpLanes;
  std::int64_t tile = blockIdx.x;
  std::int64_t part = tiles.split(tile);
  const std::int64_t cell = parts.split(part);
  const std::int64_t pack = tile * kWarpLanes + lane;
  const auto [pixel, image, row, column, first] = cells.place(cell * cells.packs.value());
  const Range rows = p.rows[row], columns = p.columns[column];
  const std::int64_t height = rows.end - rows.first, width = columns.end - columns.first;
  const std::int64_t top = rows.first + height * part / p.parts,
                     bottom = rows.first + height * (part + 1) / p.parts;
  float own[count] = {};
  if (pack < cells.packs.value()) {
    for (std::int64_t i = top; i < bottom; ++i) {
      const std::int64_t line = (image * p.height + i) * p.width + columns.first;
#pragma unroll 4
      for (std::int64_t j = team; j < width; j += kTeams) {
        float x[count];
        loadPack<count>(p.x.as<T>() + (line + j) * p.x.stride + pack * count, x);
#pragma unroll
        for (int k = 0; k < count; ++k) own[k] += x[k];
      }
    }
  }
#pragma unroll
  for (int k = 0; k < count; ++k) sums.of[team][k][lane] = own[k];
  __syncthreads();
  if (pack >= cells.packs.value()) return;
  for (int k = team; k < count; k += kTeams) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kTeams; ++i) sum += sums.of[i][k][lane];
    const std::int64_t channel = pack * count + k;
    if (p.parts == 1) {
      p.y.as<T>()[pixel * p.y.stride + channel] =
          fromFloat32<T>(sum * p.shares[row * cells.columns.value() + column]);
    } else {
      p.partial[(pixel * p.parts + part) * cells.packs.value() * count + channel] = sum;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kElementThreads) addPartsKernel(AveragePool p, MapPacks elements) {
  const std::int64_t i = packIndex();
  if (i >= elements.count) return;
  const auto [pixel, image, row, column, channel] = elements.place(i);
  const float* const partial = p.partial + pixel * p.parts * elements.packs.value() + channel;
  float sum = 0;
#pragma unroll 8
  for (std::int64_t part = 0; part < p.parts; ++part) sum += partial[part * elements.packs.value()];
  p.y.as<T>()[pixel * p.y.stride + channel] =
      fromFloat32<T>(sum * p.shares[row * elements.columns.value() + column]);
}

/// Parts of some rows and some hundred pixels.
std::int64_t partsOf(const TensorInfo& x, const TensorInfo& y) {
  constexpr std::int64_t kPartPixels = 256, kMostParts = 64;
  const std::int64_t rows = divideUp(x.shape[1], y.shape[1]), columns = divideUp(x.shape[2], y.shape[2]);
  return std::clamp<std::int64_t>(rows * columns / kPartPixels, 1, std::min(rows, kMostParts));
}

Choice chooseAdaptiveAveragePool2d(const StepDescription& step, const Device&) {
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  const std::int64_t parts = partsOf(x, y);
  return {.scratchBytes = parts == 1 ? 0 : y.elements() * parts * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAdaptiveAveragePool2d(const StepDescription& step, const Device& device,
                                                           Parameters& parameters) {
  requireChoice(step, chooseAdaptiveAveragePool2d(step, device));
  const TensorInfo &x = *step.input(0), &y = *step.output(0);
  return preparedStep(
      [x, y, rows = Table(parameters, cellsOf(y.shape[1], x.shape[1])),
       columns = Table(parameters, cellsOf(y.shape[2], x.shape[2])),
       shares = Table(parameters, cellShares(y.shape[1], y.shape[2], x.shape[1], x.shape[2]))](
          const StepMemory& memory, cudaStream_t stream) {
        const AveragePool p{.height = x.shape[1],
                            .width = x.shape[2],
                            .parts = partsOf(x, y),
                            .rows = rows.data(),
                            .columns = columns.data(),
                            .shares = shares.data(),
                            .x = {memory.inputs[0], x.pixelStride},
                            .y = {memory.outputs[0], y.pixelStride},
                            .partial = memory.scratchAs<float>()};
        withFloatType(x.dataType, [&](auto element) {
          using T = decltype(element);
          withPacks<kPackElements<T>>(x.channels(), sizeof(T), {p.x}, [&](auto count) {
            const MapPacks cells(y, count);
            const std::int64_t tiles = divideUp(x.channels() / count, std::int64_t{kWarpLanes});
            const auto blocks = static_cast<unsigned>(y.pixels() * p.parts * tiles);
            launch<sumCellsKernel<T, count>>({blocks, kElementThreads, sizeof(TeamSums<count>)}, stream, p,
                                             cells, Divisor(p.parts), Divisor(tiles));
          });
          if (p.parts == 1) return;
          const MapPacks elements(y, 1);
          launch<addPartsKernel<T>>(elements.shape(), stream, p, elements);
        });
      });
}

}  // namespace

const Op adaptiveAveragePool2dOp{.choose = chooseAdaptiveAveragePool2d,
                                 .prepare = prepareAdaptiveAveragePool2d};

}  // namespace ocrnet::cuda

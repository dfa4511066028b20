#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::size_t kResidual = 6;  // behind the maps

/// Floats of the mixed rows of a tile: most of the smallest L1 cache.
constexpr std::int64_t kMixedFloats = 6144;
constexpr std::int64_t kMostTileChannels = 128, kMostTileWidth = 64;

using Taps = std::vector<BilinearTap>;

/// One of the maps, and what its columns and rows give to the output's.
struct Map {
  std::size_t input;
  std::int64_t height, width, stride;
  Taps rows, columns;
};

std::vector<Map> findMaps(const StepDescription& step) {
  const auto& attributes = step.attributes<ResizeTapsAttributes>();
  const TensorInfo& y = *step.output(0);
  std::vector<Map> maps;
  for (std::size_t i = 0; i < kResidual; ++i) {
    const TensorInfo* const z = step.input(i);
    if (!z) continue;
    maps.push_back({i, z->shape[1], z->shape[2], z->pixelStride,
                    bilinearTaps(z->shape[1], y.shape[1], attributes.alignCorners),
                    bilinearTaps(z->shape[2], y.shape[2], attributes.alignCorners)});
  }
  return maps;
}

/// Columns of a map that `width` neighbours in the output read, at most.
std::int64_t sourceColumns(const Taps& columns, std::int64_t width) {
  const auto count = static_cast<std::int64_t>(columns.size());
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t last = std::min(i + width, count) - 1;
    most = std::max<std::int64_t>(most, columns[last].second - columns[i].first + 1);
  }
  return most;
}

struct Tiling {
  std::int64_t width, channels, mixedColumns;
};

/// The widest tile whose mixed rows stay in the cache.
Tiling tiling(const StepDescription& step, const std::vector<Map>& maps) {
  const TensorInfo& y = *step.output(0);
  const std::int64_t rows = std::ssize(maps) * step.attributes<ResizeTapsAttributes>().kernel;
  Tiling tile{.width = std::min(y.shape[2], kMostTileWidth),
              .channels = std::min(roundUp(y.channels(), kMostLanes), kMostTileChannels),
              .mixedColumns = 0};
  for (;; tile.width = divideUp(tile.width, 2)) {
    tile.mixedColumns = 0;
    for (const Map& map : maps) {
      tile.mixedColumns = std::max(tile.mixedColumns, sourceColumns(map.columns, tile.width));
    }
    if (tile.width == 1 || rows * tile.mixedColumns * tile.channels <= kMixedFloats) return tile;
  }
}

/// Where the pieces of a thread's scratch begin.
struct TapsScratch {
  std::size_t terms, bytes;

  TapsScratch(const StepDescription& step, const std::vector<Map>& maps, const Tiling& tile) {
    const std::int64_t rows = std::ssize(maps) * step.attributes<ResizeTapsAttributes>().kernel;
    const std::int64_t floats = rows * tile.mixedColumns * tile.channels;
    terms = roundUp(static_cast<std::size_t>(floats) * sizeof(float), kAlignment);
    bytes = roundUp(terms + 2 * static_cast<std::size_t>(rows) * sizeof(WeightedRow), kAlignment);
  }
};

Choice chooseResizeTaps(const StepDescription& step, const Device& device) {
  const std::vector<Map> maps = findMaps(step);
  return {.scratchBytes = device.threads * TapsScratch(step, maps, tiling(step, maps)).bytes};
}

std::unique_ptr<PreparedStep> prepareResizeTaps(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, chooseResizeTaps(step, device));
  const auto& attributes = step.attributes<ResizeTapsAttributes>();
  const TensorInfo& y = *step.output(0);
  const std::vector<Map> maps = findMaps(step);
  const Tiling tile = tiling(step, maps);
  const ResizeTaps resize{.outputType = y.dataType,
                          .outputHeight = y.shape[1],
                          .outputWidth = y.shape[2],
                          .channels = y.channels(),
                          .kernel = attributes.kernel,
                          .dilation = attributes.dilation,
                          .maps = nullptr,
                          .mapCount = std::ssize(maps),
                          .residual = sourceOf(step.input(kResidual)),
                          .y = targetOf(&y),
                          .epilogue = {attributes.activation, attributes.negativeSlope},
                          .tileWidth = tile.width,
                          .tileChannels = tile.channels,
                          .mixedColumns = tile.mixedColumns,
                          .mixedRows = nullptr,
                          .terms = nullptr};
  return preparedStep([=, scratch = TapsScratch(step, maps, tile), rows = y.shape[0] * y.shape[1],
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    std::vector<TapMap> sources;
    for (const Map& map : maps) {
      sources.push_back({map.height, map.width, map.rows.data(), map.columns.data(),
                         memory.in<float>(map.input), map.stride});
    }
    parallel(threads, rows, 1, [&](Range range, int thread) {
      std::byte* const own = memory.scratch + thread * scratch.bytes;
      ResizeTaps r = resize;
      r.maps = sources.data();
      r.residual.data = memory.inputs[kResidual];
      r.y.data = memory.outputs[0];
      r.mixedRows = reinterpret_cast<float*>(own);
      r.terms = reinterpret_cast<WeightedRow*>(own + scratch.terms);
      kernels.resizeTaps(r, range);
    });
  });
}

}  // namespace

const Op resizeTapsOp{.choose = chooseResizeTaps, .prepare = prepareResizeTaps};

}  // namespace ocrnet::cpu

// Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016): a 4×4 tile of outputs from a 6×6 tile of inputs takes 36 products for each pair of
// channels, where the direct sum takes 144.
//
//   V = Bᵀ d B     each input tile d, each input channel        (transforms.h)
//   U = G g Gᵀ     each filter g, each pair of channels         (transforms.h)
//   M = Σ V ⊙ U    over input channels: 36 matrix products,     (multiply.h)
//                  (tiles × channels in) · (channels in × channels out), one for each of the 36 points
//   Y = Aᵀ M A     each output tile, each output channel; bias, residual and activation on the way out
//
// In NHWC the channels are the fast dimension, so the transforms are the same few operations on vectors of
// channels and the products broadcast an input over a vector of output channels: nothing is ever transposed.
//
// Dilation d. Outputs whose rows are equal modulo d, and columns too, only see inputs of one such phase: d²
// undilated convolutions on images with pixel stride d. Rows (and columns) of tiles are numbered through all
// phases, so that a tile is still one row number and one column number (tiles.h).
//
// Memory. V, U and M are 36/16, 36/9 and 36/16 times as large as what they come from; all speed is lost if
// they travel through memory. HRNet-W48 has 60 million weights in 3×3 filters: U for all of them would be 1
// GB. So the filter is kept as it is, packed in panels (panel, channel in, tap, channel out of the panel),
// and transformed into cache-sized blocks of U during the run; one vector of U costs as much as the products
// of some eight tiles, and serves all the tiles of a chunk.
//
//   for each chunk of tiles                                  (group of threads)
//     V of the chunk                                         its members, each some tiles; barrier
//     for each block of panels of output channels            (member): M stays in its second-level cache
//       for each block of input channels
//         for each block of those panels
//           U                                                in the second-level cache
//           M += V U, for each of the 36 points
//       Y of the chunk and these output channels
//
// Threads. Members of a group share the output channels of the same tiles and read one V; groups share out
// the tiles. Many tiles and few channels make every thread a group of its own, which then never waits; few
// tiles and many channels make all of them members, because each group transforms the filter again. Where all
// of U fits into the second-level cache, it is transformed once, before the first chunk. schedule.cpp
// decides.
//
// Floors. The products alone allow 4 times the direct convolution, times outputs / (16 · tiles) for ragged
// edges. The transforms take 36 lines of cache for each vector of channels and tile, in and out, about 200
// cycles each: against 36 · channels / 2 cycles of products, a fifth at 64 channels.

#include "cpu/winograd/winograd.h"

#include <omp.h>

#include <algorithm>

#include "core/integers.h"
#include "core/range.h"
#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/schedule.h"
#include "cpu/winograd/tiles.h"

namespace ocrnet::cpu::winograd {

namespace {

/// One call of run: what its workers share.
class Convolution {
 public:
  Convolution(const Problem& problem, const Operands& operands, const Kernels& kernels,
              const Schedule& schedule, float* scratch)
      : problem_(problem),
        operands_(operands),
        kernels_(kernels),
        schedule_(schedule),
        grid_(problem),
        scratch_(scratch) {
    std::fill_n(scratch + schedule.zerosOffset, problem.channelsIn, 0.0f);
  }

  /// U of every worker-th part of all output channels, where all of it is kept.
  void transformKeptFilter(std::int64_t worker) const {
    const Range panels = Range{0, schedule_.panels}.part(worker, schedule_.groups * schedule_.members);
    for (std::int64_t block = 0; block < schedule_.channelBlocks; ++block) {
      transformFilter(block, panels, keptFilter(block, panels.first));
    }
  }

  /// V of this worker's part of its group's chunk of tiles.
  void transformInputs(std::int64_t worker, std::int64_t step) const {
    const Range chunk = chunkOf(worker, step),
                mine = chunk.part(worker % schedule_.members, schedule_.members);
    float* const v = groupInput(worker);
    for (std::int64_t tile = mine.first; tile < mine.end; ++tile) {
      const float* pixels[kPoints];
      grid_.findInputs(tile, operands_.x, scratch_ + schedule_.zerosOffset, pixels);
      kernels_.transformInput(pixels, problem_.channelsIn,
                              v + (tile - chunk.first) * schedule_.input.channelBlock, schedule_.input);
    }
  }

  /// M = V U and Y = Aᵀ M A for the whole chunk and this worker's output channels.
  void multiplyAndTransformOutputs(std::int64_t worker, std::int64_t step) const {
    const Range chunk = chunkOf(worker, step);
    if (chunk.size() == 0) return;
    const Range mine = Range{0, schedule_.panels}.part(worker % schedule_.members, schedule_.members);
    const std::int64_t blocks = divideUp(mine.size(), schedule_.productPanels);
    float* const m = scratch_ + schedule_.productOffset + worker * schedule_.productFloats;
    for (std::int64_t i = 0; i < blocks; ++i) {
      const Range panels = mine.part(i, blocks);
      multiply(worker, chunk.size(), panels, m);
      for (std::int64_t tile = chunk.first; tile < chunk.end; ++tile) {
        transformOutput(tile, panels, m + (tile - chunk.first) * schedule_.productStride);
      }
    }
  }

 private:
  /// The tiles of a worker's group in one step.
  Range chunkOf(std::int64_t worker, std::int64_t step) const {
    const Range group = Range{0, schedule_.tiles}.part(worker / schedule_.members, schedule_.groups);
    return group.part(step, schedule_.steps);
  }

  float* groupInput(std::int64_t worker) const {
    return scratch_ + schedule_.inputOffset + worker / schedule_.members * schedule_.inputFloats;
  }

  float* keptFilter(std::int64_t channelBlock, std::int64_t panel) const {
    return scratch_ + schedule_.filterOffset + channelBlock * schedule_.filterFloats +
           panel * schedule_.input.channelBlock * schedule_.panel;
  }

  void transformFilter(std::int64_t channelBlock, Range panels, float* u) const {
    const std::int64_t first = channelBlock * schedule_.input.channelBlock, count = channelsOf(channelBlock);
    for (std::int64_t panel = panels.first; panel < panels.end; ++panel) {
      const float* const taps =
          operands_.packedFilter + (panel * problem_.channelsIn + first) * kTaps * schedule_.panel;
      kernels_.transformFilter(taps, count, schedule_.panel, u, schedule_.filterPointStride);
      u += schedule_.input.channelBlock * schedule_.panel;
    }
  }

  std::int64_t channelsOf(std::int64_t channelBlock) const {
    const std::int64_t first = channelBlock * schedule_.input.channelBlock;
    return std::min(problem_.channelsIn - first, schedule_.input.channelBlock);
  }

  /// M of some panels. The channels are the outer loop, so that their V stays in the cache for all the
  /// panels.
  void multiply(std::int64_t worker, std::int64_t tiles, Range panels, float* m) const {
    const std::int64_t filterBlocks = divideUp(panels.size(), schedule_.filterPanels);
    const float* v = groupInput(worker);
    for (std::int64_t block = 0; block < schedule_.channelBlocks; ++block, v += schedule_.input.blockStride) {
      for (std::int64_t i = 0; i < filterBlocks; ++i) {
        const Range some = panels.part(i, filterBlocks);
        float* const u = schedule_.keepFilter
                             ? keptFilter(block, some.first)
                             : scratch_ + schedule_.filterOffset + worker * schedule_.filterFloats;
        if (!schedule_.keepFilter) transformFilter(block, some, u);
        float* const products = m + (some.first - panels.first) * schedule_.panel;
        for (std::int64_t point = 0; point < kPoints; ++point) {
          kernels_.multiply[schedule_.panelVectors](
              v + point * schedule_.input.pointStride, schedule_.input.channelBlock, tiles,
              u + point * schedule_.filterPointStride, schedule_.input.channelBlock * schedule_.panel,
              some.size(), channelsOf(block), products + point * schedule_.productPointStride,
              schedule_.productStride, block > 0);
        }
      }
    }
  }

  void transformOutput(std::int64_t tile, Range panels, const float* m) const {
    const std::int64_t firstChannel = panels.first * schedule_.panel;
    OutputTile output{
        .products = m,
        .pointStride = schedule_.productPointStride,
        .channels = std::min(panels.end * schedule_.panel, problem_.channelsOut) - firstChannel,
        .bias = operands_.bias ? operands_.bias + firstChannel : nullptr,
        .residual = {},
        .y = {},
        .epilogue = operands_.epilogue,
    };
    grid_.findOutputs<float>(tile, operands_.y + firstChannel, problem_.outputPixelStride, nullptr, output.y);
    if (operands_.residual) {
      grid_.findOutputs<const float>(tile, operands_.residual + firstChannel, problem_.residualPixelStride,
                                     nullptr, output.residual);
    }
    kernels_.transformOutput(output);
  }

  const Problem& problem_;
  const Operands& operands_;
  const Kernels& kernels_;
  const Schedule& schedule_;
  const TileGrid grid_;
  float* const scratch_;
};

}  // namespace

std::size_t scratchBytes(const Problem& problem, const Device& device) {
  const Schedule cut = schedule(problem, device.threads, kernelsFor(device.isa));
  return static_cast<std::size_t>(cut.scratchFloats) * sizeof(float);
}

void run(const Problem& problem, const Device& device, const Operands& operands, void* scratch) {
  const Kernels& kernels = kernelsFor(device.isa);
  const int threads = device.threads;
  const Schedule cut = schedule(problem, threads, kernels);
  const Convolution convolution(problem, operands, kernels, cut, static_cast<float*>(scratch));
  const std::int64_t workers = cut.groups * cut.members;
#pragma omp parallel num_threads(threads)
  {
    // OpenMP may give fewer threads than asked for: then a thread is several workers, in step with the
    // others.
    const std::int64_t first = omp_get_thread_num(), team = omp_get_num_threads();
    if (cut.keepFilter) {
      for (std::int64_t worker = first; worker < workers; worker += team)
        convolution.transformKeptFilter(worker);
#pragma omp barrier
    }
    for (std::int64_t step = 0; step < cut.steps; ++step) {
      if (cut.members > 1) {
#pragma omp barrier
      }
      for (std::int64_t worker = first; worker < workers; worker += team)
        convolution.transformInputs(worker, step);
      if (cut.members > 1) {
#pragma omp barrier
      }
      for (std::int64_t worker = first; worker < workers; worker += team) {
        convolution.multiplyAndTransformOutputs(worker, step);
      }
    }
  }
}

}  // namespace ocrnet::cpu::winograd

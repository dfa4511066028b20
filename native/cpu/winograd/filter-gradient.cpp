// The filter's gradient by the transpose of Winograd's algorithm. With V = Bᵀ d B and Y = Aᵀ (Σ V ⊙ G g Gᵀ) A
// of winograd.cpp, a loss with gradient dy has
//
//   V  = Bᵀ d B              each input tile, each input channel      (transforms.h)
//   dM = A dy Aᵀ             each 4×4 tile of dy, each output channel (gradient-transforms.h)
//   dU = Σ dM ⊙ V            over tiles: 36 products                  (accumulate.h)
//                            (channels out × tiles) · (tiles × channels in), one for each of the 36 points
//   dg = Gᵀ dU G             each pair of channels                    (gradient-transforms.h)
//
// dU is four times as large as the filter and summed over thousands of tiles: it must stay in the
// second-level cache. So the input channels are cut into slabs and the output channels into blocks, and what
// is as large as the picture is transformed where it is needed:
//
//   for each of its slabs of input channels                  (worker)
//     for each chunk of its tiles
//       V of the chunk                                       streamed from the shared cache, some megabytes
//       for each block of output channels                    dU in the second-level cache
//         for each strip of some tiles
//           dM                                               in the second-level cache
//           dU += dM V, for each of the 36 points
//         dFilter (+)= Gᵀ dU G
//
// V is made once, dM once for each slab: against 36 · 4 products a tile for each vector of dM and slab of 64
// channels, 16 times that for 16 rows, its transform costs a twelfth.
//
// Threads. Workers share out the slabs, and where there are too few of them, the tiles: those of the second
// and further groups leave partial sums in the scratch, which are added in order at the end. No worker ever
// waits for another but there. Results depend on the number of threads and on nothing else.

#include "cpu/winograd/filter-gradient.h"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "core/integers.h"
#include "core/range.h"
#include "cpu/parallel.h"
#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/schedule.h"
#include "cpu/winograd/tiles.h"

namespace ocrnet::cpu::winograd {

namespace {

// Measured on Zen 4 (1 MB of second-level cache a core); shares are of that cache.
constexpr std::int64_t kMostSlabVectors = 4;
constexpr double kSumsShare = 0.45;              // dU of a block
constexpr std::int64_t kStripTiles = 32;         // of dM
constexpr std::int64_t kChunkFloats = 6 << 18;   // V of a worker: 6 MB
constexpr std::int64_t kFewestChunkTiles = 128;  // where dU is taken back for each chunk

struct Cut {
  std::int64_t tiles;
  std::int64_t groups, members;  // of workers: groups share out the tiles, members of a group the slabs
  std::int64_t panelVectors, slabVectors, slab, slabs;  // slab in channels
  std::int64_t block, blocks;                           // of output channels
  std::int64_t chunkTiles, strip;
  std::int64_t blockStride;  // of dM, in floats for each tile

  // The scratch, in floats: zeros, V, dM and dU of each worker, partial sums.
  std::int64_t inputPointStride, gradientPointStride, sumPointStride;
  std::int64_t inputOffset, gradientOffset, sumOffset, workerFloats;  // in the scratch of a worker
  std::int64_t workersOffset, partialOffset, filterFloats, scratchFloats;

  std::int64_t workers() const { return groups * members; }
};

Cut cutUp(const Problem& problem, int threads, const Kernels& kernels) {
  Cut cut{};
  cut.tiles = TileGrid(problem).tiles();
  const std::int64_t vectors = divideUp(problem.channelsIn, kernels.lanes);
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t members = 1; members <= threads; ++members) {
    if (threads % members != 0) continue;
    const std::int64_t groups = threads / members;
    const std::int64_t slabs = roundUp(divideUp(vectors, kMostSlabVectors), members);
    const std::int64_t slabVectors = divideUp(vectors, slabs);
    // In vectors · tiles: products, and what taking dU back and adding partial sums costs.
    const double work = divideUp(slabs, members) * slabVectors *
                        (static_cast<double>(divideUp(cut.tiles, groups)) + 8 + 4 * (groups > 1));
    if (work >= least) continue;
    least = work;
    cut.groups = groups, cut.members = members;
    cut.slabVectors = slabVectors;
  }
  cut.panelVectors = cut.slabVectors % 2 == 0 ? 2 : cut.slabVectors;
  cut.slab = cut.slabVectors * kernels.lanes;
  cut.slabs = divideUp(problem.channelsIn, cut.slab);

  const auto cacheFloats = static_cast<double>(secondLevelCacheBytes() / 4);
  const auto mostOutputs = std::max<std::int64_t>(static_cast<std::int64_t>(kSumsShare * cacheFloats) /
                                                      (kPoints * cut.slab) / kernels.lanes * kernels.lanes,
                                                  kernels.lanes);
  cut.blocks = divideUp(problem.channelsOut, mostOutputs);
  cut.block = roundUp(divideUp(problem.channelsOut, cut.blocks), kernels.lanes);
  cut.blocks = divideUp(problem.channelsOut, cut.block);
  cut.blockStride = cut.block;

  const std::int64_t groupTiles = divideUp(cut.tiles, cut.groups);
  const std::int64_t most = std::max(kChunkFloats / (kPoints * cut.slab), kFewestChunkTiles);
  cut.chunkTiles = divideUp(groupTiles, divideUp(groupTiles, most));
  cut.strip = std::min(cut.chunkTiles, kStripTiles);

  cut.inputPointStride = unaliased(cut.chunkTiles * cut.slab);
  cut.gradientPointStride = unaliased(cut.strip * cut.blockStride);
  cut.sumPointStride = unaliased(cut.block * cut.slab);
  cut.inputOffset = 0;
  cut.gradientOffset = cut.inputOffset + kPoints * cut.inputPointStride;
  cut.sumOffset = cut.gradientOffset + kPoints * cut.gradientPointStride;
  cut.workerFloats = cut.sumOffset + kPoints * cut.sumPointStride;
  cut.workersOffset = unaliased(std::max(problem.channelsIn, problem.channelsOut));
  cut.partialOffset = cut.workersOffset + cut.workers() * cut.workerFloats;
  cut.filterFloats = problem.channelsOut * kTaps * problem.channelsIn;
  cut.scratchFloats = cut.partialOffset + (cut.groups - 1) * cut.filterFloats;
  return cut;
}

/// One call: what its workers share.
class FilterGradient {
 public:
  FilterGradient(const Problem& problem, const FilterGradientOperands& operands, const Kernels& kernels,
                 const Cut& cut, float* scratch)
      : problem_(problem),
        operands_(operands),
        kernels_(kernels),
        cut_(cut),
        grid_(problem),
        scratch_(scratch) {
    std::fill_n(scratch, std::max(problem.channelsIn, problem.channelsOut), 0.0f);
  }

  void work(std::int64_t worker) const {
    const std::int64_t group = worker / cut_.members;
    const Range tiles = Range{0, cut_.tiles}.part(group, cut_.groups);
    const Range slabs = Range{0, cut_.slabs}.part(worker % cut_.members, cut_.members);
    const std::int64_t chunks = std::max<std::int64_t>(divideUp(tiles.size(), cut_.chunkTiles), 1);
    float* const mine = scratch_ + cut_.workersOffset + worker * cut_.workerFloats;
    for (std::int64_t slab = slabs.first; slab < slabs.end; ++slab) {
      for (std::int64_t i = 0; i < chunks; ++i) {
        const Range chunk = tiles.part(i, chunks);
        transformInputs(slab, chunk, mine);
        for (std::int64_t block = 0; block < cut_.blocks; ++block) {
          sum(slab, block, chunk, mine);
          takeBack(slab, block, mine, result(group), i > 0);
        }
      }
    }
  }

  /// dFilter += the partial sums of the groups after the first.
  void addPartialSums(Range elements) const {
    for (std::int64_t group = 1; group < cut_.groups; ++group) {
      const float* const partial = result(group);
      for (std::int64_t i = elements.first; i < elements.end; ++i) operands_.dFilter[i] += partial[i];
    }
  }

 private:
  float* result(std::int64_t group) const {
    return group == 0 ? operands_.dFilter : scratch_ + cut_.partialOffset + (group - 1) * cut_.filterFloats;
  }

  std::int64_t channelsOf(std::int64_t slab) const {
    return std::min(cut_.slab, problem_.channelsIn - slab * cut_.slab);
  }
  std::int64_t outputsOf(std::int64_t block) const {
    return std::min(cut_.block, problem_.channelsOut - block * cut_.block);
  }

  void transformInputs(std::int64_t slab, Range chunk, float* mine) const {
    float* v = mine + cut_.inputOffset;
    const InputLayout layout{cut_.slab, cut_.inputPointStride, 0};
    for (std::int64_t tile = chunk.first; tile < chunk.end; ++tile, v += cut_.slab) {
      const float* pixels[kPoints];
      grid_.findInputs(grid_.placeOf(tile), operands_.x + slab * cut_.slab, scratch_, pixels);
      kernels_.transformInput(pixels, channelsOf(slab), v, layout);
    }
  }

  /// dU of a block over all tiles of the chunk.
  void sum(std::int64_t slab, std::int64_t block, Range chunk, float* mine) const {
    const std::int64_t strips = std::max<std::int64_t>(divideUp(chunk.size(), cut_.strip), 1);
    const std::int64_t outputs = outputsOf(block), vectors = divideUp(channelsOf(slab), kernels_.lanes);
    for (std::int64_t i = 0; i < strips; ++i) {
      const Range strip = chunk.part(i, strips);
      float* m = mine + cut_.gradientOffset;
      for (std::int64_t tile = strip.first; tile < strip.end; ++tile, m += cut_.blockStride) {
        const float* pixels[kOutputTile * kOutputTile];
        grid_.findOutputs(grid_.placeOf(tile), operands_.dy + block * cut_.block, problem_.outputPixelStride,
                          scratch_, pixels);
        kernels_.transformGradient(pixels, outputs, m, cut_.gradientPointStride);
      }
      for (std::int64_t point = 0; point < kPoints; ++point) {
        const float* const gradients = mine + cut_.gradientOffset + point * cut_.gradientPointStride;
        const float* const inputs =
            mine + cut_.inputOffset + point * cut_.inputPointStride + (strip.first - chunk.first) * cut_.slab;
        float* const sums = mine + cut_.sumOffset + point * cut_.sumPointStride;
        for (std::int64_t first = 0; first < vectors; first += cut_.panelVectors) {
          kernels_.accumulate[std::min(cut_.panelVectors, vectors - first)](
              gradients, cut_.blockStride, outputs, inputs + first * kernels_.lanes, cut_.slab, strip.size(),
              sums + first * kernels_.lanes, cut_.slab, i > 0);
        }
      }
    }
  }

  /// dFilter (+)= Gᵀ dU G of a block.
  void takeBack(std::int64_t slab, std::int64_t block, const float* mine, float* filter,
                bool accumulate) const {
    const std::int64_t channels = problem_.channelsIn;
    for (std::int64_t o = 0; o < outputsOf(block); ++o) {
      kernels_.transformFilterGradient(
          mine + cut_.sumOffset + o * cut_.slab, cut_.sumPointStride, channelsOf(slab),
          filter + (block * cut_.block + o) * kTaps * channels + slab * cut_.slab, channels, accumulate);
    }
  }

  const Problem& problem_;
  const FilterGradientOperands& operands_;
  const Kernels& kernels_;
  const Cut& cut_;
  const TileGrid grid_;
  float* const scratch_;
};

constexpr std::int64_t kAddGrain = 16 << 10;

}  // namespace

std::size_t filterGradientScratchBytes(const Problem& problem, const Device& device) {
  return static_cast<std::size_t>(cutUp(problem, device.threads, kernelsFor(device.isa)).scratchFloats) *
         sizeof(float);
}

void runFilterGradient(const Problem& problem, const Device& device, const FilterGradientOperands& operands,
                       void* scratch) {
  const Kernels& kernels = kernelsFor(device.isa);
  const Cut cut = cutUp(problem, device.threads, kernels);
  const FilterGradient gradient(problem, operands, kernels, cut, static_cast<float*>(scratch));
  parallel(device.threads, cut.workers(), 1, [&](Range workers, int) {
    for (std::int64_t worker = workers.first; worker < workers.end; ++worker) gradient.work(worker);
  });
  if (cut.groups == 1) return;
  parallel(device.threads, cut.filterFloats, kAddGrain,
           [&](Range elements, int) { gradient.addPartialSums(elements); });
}

double filterGradientRelativeCost(const Problem& problem, const Device& device) {
  // As in cost.cpp, in cycles of one core.
  constexpr double kInputCycles = 220, kGradientCycles = 170, kFilterCycles = 250, kStartCycles = 20000;
  constexpr double kProductsPerCycle = 1.45, kDirectProductsPerCycle = 1.5;
  const Kernels& kernels = kernelsFor(device.isa);
  const Cut cut = cutUp(problem, device.threads, kernels);
  const auto tiles = static_cast<double>(cut.tiles);
  const double vectorsIn = static_cast<double>(divideUp(problem.channelsIn, kernels.lanes));
  const double vectorsOut = static_cast<double>(divideUp(problem.channelsOut, kernels.lanes));
  const double chunks =
      static_cast<double>(cut.groups * divideUp(divideUp(cut.tiles, cut.groups), cut.chunkTiles));
  const double busiest =
      static_cast<double>(divideUp(cut.slabs, cut.members) * cut.members) / static_cast<double>(cut.slabs);
  const double shared =
      tiles * kPoints * problem.channelsOut * vectorsIn / kProductsPerCycle +
      tiles * (vectorsIn * kInputCycles + vectorsOut * kGradientCycles * static_cast<double>(cut.slabs)) +
      problem.channelsOut * vectorsIn * kFilterCycles * chunks;
  const double pixels = static_cast<double>(problem.batch * problem.outputHeight() * problem.outputWidth());
  const double direct = pixels * kTaps * problem.channelsOut *
                        std::max(vectorsIn, static_cast<double>(problem.channelsIn) / kernels.lanes) /
                        kDirectProductsPerCycle;
  return (shared * busiest + kStartCycles * device.threads) / (direct + kStartCycles * device.threads);
}

}  // namespace ocrnet::cpu::winograd

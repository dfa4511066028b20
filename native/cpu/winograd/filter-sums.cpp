// Filters' gradients as sums over pixels or tiles of pixels: for each of some points a matrix product
// (channels out × terms) · (terms × channels in), see accumulate.h.
//
// The sums U are as large as the filter, or for Winograd four times so, and have thousands of terms: U must
// stay in the second-level cache. So the input channels are cut into slabs and the output channels into
// blocks, and what is as large as the picture is made where it is needed:
//
//   for each of its slabs of input channels                  (worker)
//     for each chunk of its terms
//       V of the chunk                                       streamed from the shared cache, some megabytes
//       for each block of output channels                    U in the second-level cache
//         for each strip of some terms
//           M                                                in the second-level cache
//           U += M V, for each of the points
//         dFilter (+)= what U stands for
//
// V is made once, M once for each slab: slabs are as wide as the cache lets them be, for the pixels of dy lie
// scattered, and fetching them costs more than transforming them.
//
// Threads. Workers share out the slabs, and where there are too few of them, the terms: those of the second
// and further groups leave partial sums in the scratch, which are added in order at the end. No worker ever
// waits for another but there. Results depend on the number of threads and on nothing else.

#include "cpu/winograd/filter-sums.h"

#include <algorithm>
#include <limits>

#include "core/integers.h"
#include "cpu/parallel.h"
#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/schedule.h"

namespace ocrnet::cpu::winograd {

namespace {

// Measured on Zen 4 (1 MB of second-level cache a core); shares are of that cache.
constexpr std::int64_t kMostSlabVectors = 8;
constexpr double kSumsShare = 0.57;              // U of a block
constexpr double kGradientShare = 0.3;           // M of a strip
constexpr std::int64_t kStripTerms = 64;         // of M
constexpr std::int64_t kChunkFloats = 6 << 18;   // V of a worker: 6 MB
constexpr std::int64_t kFewestChunkTerms = 128;  // where U is taken back for each chunk

struct Cut {
  std::int64_t groups, members;  // of workers: groups share out the terms, members of a group the slabs
  std::int64_t panelVectors, slabVectors, slab, slabs;  // slab in channels
  std::int64_t block, blocks;                           // of output channels
  std::int64_t chunkTerms, strip;

  // The scratch, in floats: V, M and U of each worker, partial sums.
  std::int64_t inputPointStride, gradientPointStride, sumPointStride;
  std::int64_t inputOffset, gradientOffset, sumOffset, workerFloats;  // in the scratch of a worker
  std::int64_t partialOffset, filterFloats, scratchFloats;

  std::int64_t workers() const { return groups * members; }
};

/// The fewest vectors, at least these, that panels of one width fill: pairs, or triples where there are
/// three.
std::int64_t wholePanels(std::int64_t vectors) { return vectors <= 3 ? vectors : roundUp(vectors, 2); }

constexpr double kAddCycles = 6;  // a vector of partial sums

/// Cycles that one slab costs a worker.
double workCycles(const SumSizes& sizes, std::int64_t slabVectors, int lanes, std::int64_t terms,
                  bool addsPartialSums) {
  const auto slab = static_cast<double>(slabVectors), outputs = static_cast<double>(sizes.channelsOut);
  const double term = slab * (static_cast<double>(sizes.points) * outputs + sizes.inputCycles) +
                      static_cast<double>(divideUp(sizes.channelsOut, lanes)) * sizes.gradientCycles;
  const double back = sizes.backCycles + (addsPartialSums ? kAddCycles * static_cast<double>(sizes.taps) : 0);
  return static_cast<double>(terms) * term + slab * outputs * back;
}

Cut cutUp(const SumSizes& sizes, int threads, const Kernels& kernels) {
  Cut cut{};
  const std::int64_t vectors = divideUp(sizes.channelsIn, kernels.lanes);
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t members = 1; members <= threads; ++members) {
    if (threads % members != 0) continue;
    const std::int64_t groups = threads / members;
    const std::int64_t slabs = roundUp(divideUp(vectors, kMostSlabVectors), members);
    const std::int64_t slabVectors = wholePanels(divideUp(vectors, slabs));
    const double work =
        static_cast<double>(divideUp(divideUp(vectors, slabVectors), members)) *
        workCycles(sizes, slabVectors, kernels.lanes, divideUp(sizes.terms, groups), groups > 1);
    if (work >= least) continue;
    least = work;
    cut.groups = groups, cut.members = members;
    cut.slabVectors = slabVectors;
  }
  cut.panelVectors = cut.slabVectors % 2 == 0 ? 2 : cut.slabVectors;
  cut.slab = cut.slabVectors * kernels.lanes;
  cut.slabs = divideUp(sizes.channelsIn, cut.slab);

  const auto cacheFloats = static_cast<double>(secondLevelCacheBytes() / 4);
  const auto most = static_cast<std::int64_t>(
      std::min(kSumsShare * cacheFloats / static_cast<double>(sizes.points * cut.slab),
               kGradientShare * cacheFloats / static_cast<double>(sizes.gradientPoints * kStripTerms)));
  const std::int64_t mostOutputs = std::max<std::int64_t>(most / kernels.lanes, 1) * kernels.lanes;
  cut.block = roundUp(divideUp(sizes.channelsOut, divideUp(sizes.channelsOut, mostOutputs)), kernels.lanes);
  cut.blocks = divideUp(sizes.channelsOut, cut.block);

  const std::int64_t groupTerms = divideUp(sizes.terms, cut.groups);
  const std::int64_t mostTerms = std::max(kChunkFloats / (sizes.points * cut.slab), kFewestChunkTerms);
  cut.chunkTerms = divideUp(groupTerms, divideUp(groupTerms, mostTerms));
  cut.strip = std::min(cut.chunkTerms, kStripTerms);

  cut.inputPointStride = unaliased(cut.chunkTerms * cut.slab);
  cut.gradientPointStride = unaliased(cut.strip * cut.block);
  cut.sumPointStride = unaliased(cut.block * cut.slab);
  cut.inputOffset = 0;
  cut.gradientOffset = cut.inputOffset + sizes.points * cut.inputPointStride;
  cut.sumOffset = cut.gradientOffset + sizes.gradientPoints * cut.gradientPointStride;
  cut.workerFloats = cut.sumOffset + sizes.points * cut.sumPointStride;
  cut.partialOffset = cut.workers() * cut.workerFloats;
  cut.filterFloats = sizes.channelsOut * sizes.taps * sizes.channelsIn;
  cut.scratchFloats = cut.partialOffset + (cut.groups - 1) * cut.filterFloats;
  return cut;
}

/// One call: what its workers share.
class Sums {
 public:
  Sums(const SumSizes& sizes, const SumTerms& terms, const Kernels& kernels, const Cut& cut, float* dFilter,
       float* scratch)
      : sizes_(sizes), terms_(terms), kernels_(kernels), cut_(cut), dFilter_(dFilter), scratch_(scratch) {}

  void work(std::int64_t worker) const {
    const std::int64_t group = worker / cut_.members;
    const Range terms = Range{0, sizes_.terms}.part(group, cut_.groups);
    const Range slabs = Range{0, cut_.slabs}.part(worker % cut_.members, cut_.members);
    const std::int64_t chunks = std::max<std::int64_t>(divideUp(terms.size(), cut_.chunkTerms), 1);
    float* const mine = scratch_ + worker * cut_.workerFloats;
    for (std::int64_t slab = slabs.first; slab < slabs.end; ++slab) {
      const Range channels = part(slab, cut_.slab, sizes_.channelsIn);
      for (std::int64_t i = 0; i < chunks; ++i) {
        const Range chunk = terms.part(i, chunks);
        terms_.makeInputs(channels, chunk, mine + cut_.inputOffset, cut_.slab, cut_.inputPointStride);
        for (std::int64_t block = 0; block < cut_.blocks; ++block) {
          const Range outputs = part(block, cut_.block, sizes_.channelsOut);
          sum(channels, outputs, chunk, mine);
          takeBack(channels, outputs, mine, result(group), i > 0);
        }
      }
    }
  }

  /// dFilter += the partial sums of the groups after the first.
  void addPartialSums(Range elements) const {
    for (std::int64_t group = 1; group < cut_.groups; ++group) {
      const float* const partial = result(group);
      for (std::int64_t i = elements.first; i < elements.end; ++i) dFilter_[i] += partial[i];
    }
  }

 private:
  static Range part(std::int64_t i, std::int64_t size, std::int64_t whole) {
    return {i * size, std::min((i + 1) * size, whole)};
  }

  float* result(std::int64_t group) const {
    return group == 0 ? dFilter_ : scratch_ + cut_.partialOffset + (group - 1) * cut_.filterFloats;
  }

  /// U of a block over all terms of the chunk.
  void sum(Range channels, Range outputs, Range chunk, float* mine) const {
    const std::int64_t strips = std::max<std::int64_t>(divideUp(chunk.size(), cut_.strip), 1);
    const std::int64_t vectors = divideUp(channels.size(), kernels_.lanes);
    float* const m = mine + cut_.gradientOffset;
    for (std::int64_t i = 0; i < strips; ++i) {
      const Range strip = chunk.part(i, strips);
      terms_.makeGradients(outputs, strip, m, cut_.block, cut_.gradientPointStride);
      for (std::int64_t point = 0; point < sizes_.points; ++point) {
        const float* const gradients = m + (sizes_.gradientPoints > 1 ? point * cut_.gradientPointStride : 0);
        const float* const inputs =
            mine + cut_.inputOffset + point * cut_.inputPointStride + (strip.first - chunk.first) * cut_.slab;
        float* const sums = mine + cut_.sumOffset + point * cut_.sumPointStride;
        for (std::int64_t first = 0; first < vectors; first += cut_.panelVectors) {
          kernels_.accumulate[std::min(cut_.panelVectors, vectors - first)](
              gradients, cut_.block, outputs.size(), inputs + first * kernels_.lanes, cut_.slab, strip.size(),
              sums + first * kernels_.lanes, cut_.slab, i > 0);
        }
      }
    }
  }

  void takeBack(Range channels, Range outputs, const float* mine, float* filter, bool accumulate) const {
    const float* u = mine + cut_.sumOffset;
    for (std::int64_t o = outputs.first; o < outputs.end; ++o, u += cut_.slab) {
      float* const taps = filter + o * sizes_.taps * sizes_.channelsIn + channels.first;
      terms_.takeBack(u, cut_.sumPointStride, channels.size(), taps, sizes_.channelsIn, accumulate);
    }
  }

  const SumSizes& sizes_;
  const SumTerms& terms_;
  const Kernels& kernels_;
  const Cut& cut_;
  float* const dFilter_;
  float* const scratch_;
};

constexpr std::int64_t kAddGrain = 16 << 10;

}  // namespace

std::size_t sumScratchBytes(const SumSizes& sizes, const Device& device) {
  return static_cast<std::size_t>(cutUp(sizes, device.threads, kernelsFor(device.isa)).scratchFloats) *
         sizeof(float);
}

void runSums(const SumSizes& sizes, const SumTerms& terms, const Device& device, float* dFilter,
             void* scratch) {
  const Kernels& kernels = kernelsFor(device.isa);
  const Cut cut = cutUp(sizes, device.threads, kernels);
  const Sums sums(sizes, terms, kernels, cut, dFilter, static_cast<float*>(scratch));
  parallel(device.threads, cut.workers(), 1, [&](Range workers, int) {
    for (std::int64_t worker = workers.first; worker < workers.end; ++worker) sums.work(worker);
  });
  if (cut.groups == 1) return;
  parallel(device.threads, cut.filterFloats, kAddGrain,
           [&](Range elements, int) { sums.addPartialSums(elements); });
}

double sumRelativeCost(const SumSizes& sizes, const Device& device, double flops) {
  constexpr double kProductsPerCycle = 0.85, kDirectProductsPerCycle = 0.7, kStartCycles = 20000;
  const Kernels& kernels = kernelsFor(device.isa);
  const Cut cut = cutUp(sizes, device.threads, kernels);
  const double busiest =
      static_cast<double>(divideUp(cut.slabs, cut.members)) *
      workCycles(sizes, cut.slabVectors, kernels.lanes, divideUp(sizes.terms, cut.groups), cut.groups > 1);
  const double direct = flops / (2.0 * kernels.lanes) / kDirectProductsPerCycle / device.threads;
  return (busiest / kProductsPerCycle + kStartCycles) / (direct + kStartCycles);
}

}  // namespace ocrnet::cpu::winograd

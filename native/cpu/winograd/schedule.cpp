#include "cpu/winograd/schedule.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "core/integers.h"
#include "cpu/winograd/tiles.h"

namespace ocrnet::cpu::winograd {

namespace {

/// The even size of the fewest parts of a whole that are at most this large.
std::int64_t evenPart(std::int64_t whole, std::int64_t most) {
  return divideUp(whole, divideUp(whole, most));
}

// Measured on Sapphire Rapids (2 MB of second-level cache a core); shares are of that cache.
constexpr std::int64_t kMostChannels = 256;  // of a block; more leaves no room for 32 output channels' U
constexpr std::int64_t kFewTiles = 48;       // where transforming the filter dominates the traffic
constexpr std::int64_t kFewestTiles = 28;    // of a chunk, however small the cache: fewer reuse U too little
constexpr double kKeptFilterShare = 0.9;     // U of the whole filter, if it is kept
constexpr double kWorkingShare = 0.8;        // kept U, V and M together
constexpr double kFilterShare = 0.6;         // U of a block, else
constexpr double kProductShare = 0.5;        // M of a chunk, else
constexpr double kFilterTiles = 8;  // transforming a panel's filter takes as long as so many tiles' products
constexpr double kInputScratchFloats =
    (24 << 20) / 4;  // V of all groups together: streamed from the shared cache

}  // namespace

std::int64_t unaliased(std::int64_t floats) { return roundUp(floats, 32) + 16; }

std::int64_t secondLevelCacheBytes() {
#ifdef _SC_LEVEL2_CACHE_SIZE
  static const std::int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return bytes;
#endif
  return 1 << 20;
}

Schedule schedule(const Problem& problem, int threads, const Kernels& kernels) {
  const double cacheFloats = static_cast<double>(secondLevelCacheBytes() / 4);
  Schedule s{};
  s.tiles = TileGrid(problem).tiles();
  s.panelVectors = kernels.panelVectors(problem.channelsOut);
  s.panel = s.panelVectors * kernels.lanes;
  s.panels = divideUp(problem.channelsOut, s.panel);

  // The fewer tiles, the less their products weigh in the cache, and the more often a small block may add to
  // them.
  const std::int64_t mostChannels = s.tiles <= kFewTiles ? kMostChannels / 2 : kMostChannels;
  s.channelBlocks = divideUp(problem.channelsIn, mostChannels);
  s.input.channelBlock = roundUp(divideUp(problem.channelsIn, s.channelBlocks), 16);
  s.channelBlocks = divideUp(problem.channelsIn, s.input.channelBlock);
  const std::int64_t panelFilter = kPoints * s.input.channelBlock * s.panel;
  const std::int64_t allFilter = panelFilter * s.channelBlocks * s.panels;
  s.keepFilter = allFilter <= kKeptFilterShare * cacheFloats;
  const std::int64_t mostFilterPanels = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(kFilterShare * cacheFloats) / panelFilter, 1, s.panels);
  const std::int64_t mostProductPanels = s.tiles <= kFewTiles ? mostFilterPanels + 1 : mostFilterPanels;

  // Members and groups: the split with the least work for the busiest worker, in tiles × panels.
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t members = 1; members <= threads; ++members) {
    if (threads % members != 0 || (s.keepFilter && members > 1)) continue;
    const std::int64_t groups = threads / members;
    const std::int64_t memberPanels = divideUp(s.panels, members), groupTiles = divideUp(s.tiles, groups);
    const std::int64_t productPanels = evenPart(memberPanels, mostProductPanels);
    const std::int64_t tileInputs = kPoints * s.channelBlocks * s.input.channelBlock;
    const std::int64_t tileProducts = kPoints * productPanels * s.panel;
    const double fitting =
        s.keepFilter
            ? (kWorkingShare * cacheFloats - allFilter) / (tileInputs + tileProducts)
            : std::min(kInputScratchFloats / groups / tileInputs, kProductShare * cacheFloats / tileProducts);
    const std::int64_t steps =
        divideUp(groupTiles, std::max<std::int64_t>(static_cast<std::int64_t>(fitting), kFewestTiles));
    const double work = memberPanels * (groupTiles + (s.keepFilter ? 0 : kFilterTiles * steps));
    if (work > least) continue;
    least = work;
    s.members = members, s.groups = groups, s.steps = steps;
    s.chunkTiles = divideUp(groupTiles, steps);
    s.productPanels = productPanels;
    s.filterPanels = evenPart(productPanels, mostFilterPanels);
  }

  s.input.pointStride = unaliased(s.chunkTiles * s.input.channelBlock);
  s.input.blockStride = kPoints * s.input.pointStride;
  s.productStride = s.productPanels * s.panel;
  s.productPointStride = unaliased(s.chunkTiles * s.productStride);
  s.filterPointStride =
      unaliased((s.keepFilter ? s.panels : s.filterPanels) * s.input.channelBlock * s.panel);

  const std::int64_t workers = s.groups * s.members;
  s.zerosOffset = 0;
  s.filterOffset = unaliased(problem.channelsIn);
  s.filterFloats = kPoints * s.filterPointStride;
  s.inputOffset = s.filterOffset + s.filterFloats * (s.keepFilter ? s.channelBlocks : workers);
  s.inputFloats = s.channelBlocks * s.input.blockStride;
  s.productOffset = s.inputOffset + s.groups * s.inputFloats;
  s.productFloats = kPoints * s.productPointStride;
  s.scratchFloats = s.productOffset + workers * s.productFloats;
  return s;
}

}  // namespace ocrnet::cpu::winograd

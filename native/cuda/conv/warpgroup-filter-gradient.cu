#include <limits>

#include "cuda/conv/algorithm.h"
#include "cuda/conv/sum-partials.h"
#include "cuda/conv/warpgroup-choice.h"
#include "cuda/conv/warpgroup-filter-gradient.h"

namespace ocrnet::cuda::conv {

/// How the sums are shared out.
struct GradientShares {
  int inputBoxes, tiles, tilesAcross, parts, pixelsOfPart;
};

namespace {

int inputBoxesOf(const Problem& p) { return divideUp(p.sourceChannels, kGradientBox); }

/// In so many parts that all multiprocessors work to the end, and few enough for what starting one and adding
/// its sums costs.
template <class Tile>
GradientShares sharesOf(const Problem& p, const Device& device) {
  constexpr int kMostParts = 64;
  constexpr double kStartSteps = 8;  // what a tile's start and end take, in steps
  // Bytes that go to memory and back while one column of a tile is multiplied.
  constexpr double kBytesOfStep = 9000;
  GradientShares best{
      .inputBoxes = inputBoxesOf(p), .tiles = 0, .tilesAcross = 0, .parts = 1, .pixelsOfPart = 0};
  best.tilesAcross = divideUp(p.taps() * best.inputBoxes * kGradientBox, Tile::columns);
  best.tiles = divideUp(p.resultChannels, Tile::rows * Tile::cluster) * best.tilesAcross;
  const auto pixels = static_cast<int>(p.resultPixels());
  double least = std::numeric_limits<double>::infinity();
  for (int parts = 1; parts <= kMostParts; ++parts) {
    const int pixelsOfPart = roundUp(divideUp(pixels, parts), kGradientBox);
    if (parts > 1 && (parts - 1) * pixelsOfPart >= pixels) continue;  // the last would have none
    const int atOnce = device.multiprocessors * Tile::blocksAtOnce;
    const double rounds = divideUp(best.tiles * parts * Tile::cluster, atOnce) * Tile::blocksAtOnce;
    const double added = parts > 1 ? 2.0 * static_cast<double>(partialSumsBytes(p, parts)) : 0;
    const double steps =
        rounds * (pixelsOfPart / kGradientBox + kStartSteps) + added / (kBytesOfStep * Tile::columns);
    if (steps >= least) continue;
    least = steps;
    best.parts = parts;
    best.pixelsOfPart = pixelsOfPart;
  }
  return best;
}

template <class Tile>
bool supportsGradientTile(const Problem& p, const Device& device) {
  return supportsWarpgroups(p, device) && bytesPerElement(p.sourceType) == 2 &&
         p.sourceChannels % kWarpgroupFinished == 0 &&
         (Tile::cluster == 1 || p.resultChannels > Tile::rows) &&
         fitsColumns(p.taps() * inputBoxesOf(p) * kGradientBox, Tile::columns);
}

/// As of the convolution: measurements choose it.
template <class Tile>
Estimate estimateGradientTile(const Problem& p, const Device& device) {
  return {warpgroupName(p, Tile::columns), std::numeric_limits<double>::infinity(),
          partialSumsBytes(p, sharesOf<Tile>(p, device).parts)};
}

template <class T>
constexpr LaunchWarpgroupFilterGradient launchGradientOf() {
  if constexpr (kHasWarpgroups) return launchWarpgroupFilterGradient<T>;
  return nullptr;
}

template <class Tile>
std::unique_ptr<PreparedStep> prepareGradientTile(const Problem& problem, const StepDescription&,
                                                  const Device& device, Parameters&) {
  return prepareWarpgroupFilterGradient<Tile>(
      problem, device,
      problem.sourceType == DataType::bfloat16 ? launchGradientOf<BFloat16>() : launchGradientOf<Float16>());
}

template <class Tile>
constexpr Algorithm gradientOf() {
  return {supportsGradientTile<Tile>, estimateGradientTile<Tile>, prepareGradientTile<Tile>};
}

}  // namespace

template <class Tile>
std::unique_ptr<PreparedStep> prepareWarpgroupFilterGradient(const Problem& p, const Device& device,
                                                             LaunchWarpgroupFilterGradient launch) {
  const GradientShares shares = sharesOf<Tile>(p, device);
  const int blocks = blocksOf<Tile>(shares.tiles * shares.parts, device);
  return preparedStep([=](const StepMemory& memory, cudaStream_t stream) {
    const WalkedAxis vertical = walked(p.vertical), horizontal = walked(p.horizontal);
    float* const sums = shares.parts > 1 ? memory.scratchAs<float>() : memory.out<float>(0);
    const std::int64_t pixels = p.resultPixels();
    const WarpgroupFilterGradient gradient{
        .x = mapPixels(sourcesOf(p, memory.inputs[0]), rangeOf(vertical), rangeOf(horizontal), kGradientBox),
        .dy =
            mapRows({p.sourceType, memory.inputs[1], pixels, p.resultChannels, p.resultStride}, kGradientBox),
        .vertical = vertical,
        .horizontal = horizontal,
        .sums = sums,
        .inputs = p.sourceChannels,
        .inputBoxes = shares.inputBoxes,
        .outputs = p.resultChannels,
        .pixels = static_cast<int>(pixels),
        .pixelsOfPart = shares.pixelsOfPart,
        .tiles = shares.tiles,
        .tilesAcross = shares.tilesAcross,
        .parts = shares.parts};
    launch(gradient, Tile::columns, blocks, stream);
    if (shares.parts > 1) {
      sumPartials(sums, shares.parts, p.filterElements(), memory.out<float>(0), stream);
    }
  });
}

// Of these the tests start kernels with mistakes.
using PrepareFilterGradient = std::unique_ptr<PreparedStep>(const Problem&, const Device&,
                                                            LaunchWarpgroupFilterGradient);
template PrepareFilterGradient prepareWarpgroupFilterGradient<GradientTile64>;
template PrepareFilterGradient prepareWarpgroupFilterGradient<GradientTile256>;

const Algorithm warpgroupFilterGradient64 = gradientOf<GradientTile64>();
const Algorithm warpgroupFilterGradient128 = gradientOf<GradientTile128>();
const Algorithm warpgroupFilterGradient192 = gradientOf<GradientTile192>();
const Algorithm warpgroupFilterGradient256 = gradientOf<GradientTile256>();

}  // namespace ocrnet::cuda::conv

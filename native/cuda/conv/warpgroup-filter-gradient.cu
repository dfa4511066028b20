#include <limits>

#include "cuda/conv/algorithm.h"
#include "cuda/conv/sum-partials.h"
#include "cuda/conv/warpgroup-choice.h"
#include "cuda/conv/warpgroup-filter-gradient.h"

namespace ocrnet::cuda::conv {

namespace {

/// How the sums are shared out.
struct Shares {
  int inputBoxes, tiles, tilesAcross, parts, pixelsOfPart;
};

int inputBoxesOf(const Problem& p) { return divideUp(p.sourceChannels, kGradientBox); }

/// In so many parts that all multiprocessors work to the end, and few enough for what starting one and adding
/// its sums costs.
Shares sharesOf(const Problem& p, const Device& device, int columns) {
  constexpr int kMostParts = 64, kRows = kConsumers * kWarpgroupRows;
  constexpr double kStartSteps = 8;  // what a tile's start and end take, in steps
  constexpr double kBytesOfStep =
      9000;  // that go to memory and back while one column of a tile is multiplied
  Shares best{.inputBoxes = inputBoxesOf(p), .tiles = 0, .tilesAcross = 0, .parts = 1, .pixelsOfPart = 0};
  best.tilesAcross = divideUp(p.taps() * best.inputBoxes * kGradientBox, columns);
  best.tiles = divideUp(p.resultChannels, kRows) * best.tilesAcross;
  const auto pixels = static_cast<int>(p.resultPixels());
  double least = std::numeric_limits<double>::infinity();
  for (int parts = 1; parts <= kMostParts; ++parts) {
    const int pixelsOfPart = roundUp(divideUp(pixels, parts), kGradientBox);
    if (parts > 1 && (parts - 1) * pixelsOfPart >= pixels) continue;  // the last would have none
    const double rounds = divideUp(best.tiles * parts, device.multiprocessors);
    const double added = parts > 1 ? 2.0 * static_cast<double>(partialSumsBytes(p, parts)) : 0;
    const double steps =
        rounds * (pixelsOfPart / kGradientBox + kStartSteps) + added / (kBytesOfStep * columns);
    if (steps >= least) continue;
    least = steps;
    best.parts = parts;
    best.pixelsOfPart = pixelsOfPart;
  }
  return best;
}

template <int columns>
bool supportsGradient(const Problem& p, const Device& device) {
  return supportsWarpgroups(p, device) && bytesPerElement(p.sourceType) == 2 &&
         p.sourceChannels % kWarpgroupFinished == 0 &&
         fitsColumns(p.taps() * inputBoxesOf(p) * kGradientBox, columns);
}

/// As of the convolution: measurements choose it.
template <int columns>
Estimate estimateGradient(const Problem& p, const Device& device) {
  return {warpgroupName(p, columns), std::numeric_limits<double>::infinity(),
          partialSumsBytes(p, sharesOf(p, device, columns).parts)};
}

template <class T>
constexpr LaunchWarpgroupFilterGradient launchOf() {
  if constexpr (kHasWarpgroups) return launchWarpgroupFilterGradient<T>;
  return nullptr;
}

template <int columns>
std::unique_ptr<PreparedStep> prepareGradient(const Problem& problem, const StepDescription&,
                                              const Device& device, Parameters&) {
  return prepareWarpgroupFilterGradient(
      problem, device, columns,
      problem.sourceType == DataType::bfloat16 ? launchOf<BFloat16>() : launchOf<Float16>());
}

template <int columns>
constexpr Algorithm withColumns() {
  return {supportsGradient<columns>, estimateGradient<columns>, prepareGradient<columns>};
}

}  // namespace

std::unique_ptr<PreparedStep> prepareWarpgroupFilterGradient(const Problem& p, const Device& device,
                                                             int columns,
                                                             LaunchWarpgroupFilterGradient launch) {
  const Shares shares = sharesOf(p, device, columns);
  const int blocks = std::min(shares.tiles * shares.parts, device.multiprocessors);
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
    launch(gradient, columns, blocks, stream);
    if (shares.parts > 1) {
      sumPartials(sums, shares.parts, p.filterElements(), memory.out<float>(0), stream);
    }
  });
}

const Algorithm warpgroupFilterGradient64 = withColumns<64>();
const Algorithm warpgroupFilterGradient128 = withColumns<128>();
const Algorithm warpgroupFilterGradient192 = withColumns<192>();
const Algorithm warpgroupFilterGradient256 = withColumns<256>();

}  // namespace ocrnet::cuda::conv

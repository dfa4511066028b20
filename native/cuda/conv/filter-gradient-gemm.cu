#include <algorithm>

#include "cuda/conv/algorithm.h"
#include "cuda/conv/filter-gradient-gemm.h"
#include "cuda/conv/gemm-choice.h"
#include "cuda/conv/sum-partials.h"

namespace ocrnet::cuda::conv {

namespace {

int operandUnitOf(const Problem& p) {
  const bool grouped = p.groups > 1;
  return copyUnitOf(
      bytesPerElement(p.sourceType),
      {p.sourceStride, p.resultStride, grouped ? p.sourceChannels : 0, grouped ? p.resultChannels : 0});
}

template <class Tile>
bool supportsGradient(const Problem& p, const Device&) {
  constexpr std::int64_t kMostColumns = 1 << 28;  // the zeros that fill taps up included
  if (std::int64_t{p.taps()} * (p.sourceChannels + 16) > kMostColumns) return false;
  if (kIsLarge<Tile> && operandUnitOf(p) < 16) return false;
  return p.groups <= kMostGridHeight &&
         (p.groups == 1 || std::min(p.sourceChannels, p.resultChannels) >= kFewestGroupChannels);
}

int paddedInputs(const Problem& p) {
  return roundUp(p.sourceChannels, operandUnitOf(p) / static_cast<int>(bytesPerElement(p.sourceType)));
}

int gradientTilesOf(const Problem& p, bool large) {
  const auto count = [&](auto tile) {
    return divideUp(p.resultChannels, tile.rows) * divideUp(p.taps() * paddedInputs(p), tile.columns) *
           p.groups;
  };
  return large ? count(LargeTile{}) : count(SmallTile{});
}

/// Pixels that a block sums, whole steps of them: few enough to keep the GPU busy, many enough for what
/// starting a block and adding its sums costs.
int pixelsOfPart(const Problem& p, const Device& device, bool large) {
  constexpr int kFewestPixels = 512, kMostParts = 64, kGrain = 32;
  const auto pixels = static_cast<int>(p.resultPixels());
  const int blocksAtOnce = large ? LargeTile::blocksAtOnce : SmallTile::blocksAtOnce;
  const int wanted = divideUp(blocksAtOnce * device.multiprocessors, gradientTilesOf(p, large));
  const int parts = std::clamp(wanted, 1, std::min(kMostParts, divideUp(pixels, kFewestPixels)));
  return roundUp(divideUp(pixels, parts), kGrain);
}

int partsOf(const Problem& p, const Device& device, bool large) {
  return divideUp(static_cast<int>(p.resultPixels()), pixelsOfPart(p, device, large));
}

template <class Tile>
Estimate estimateGradient(const Problem& p, const Device& device) {
  constexpr double kSummedBytesPerMicrosecond = 1.5e4;  // of one multiprocessor
  const int parts = partsOf(p, device, kIsLarge<Tile>);
  const std::size_t scratchBytes = partialSumsBytes(p, parts);
  return withProducts(p.sourceType, device, [&](auto products) -> Estimate {
    const double blocks = static_cast<double>(gradientTilesOf(p, kIsLarge<Tile>)) * parts;
    return {
        gemmName<Tile>(products),
        gemmMicroseconds<Tile>(products, blocks, pixelsOfPart(p, device, kIsLarge<Tile>), device) +
            2.0 * static_cast<double>(scratchBytes) / (kSummedBytesPerMicrosecond * device.multiprocessors),
        scratchBytes};
  });
}

template <class Tile>
std::unique_ptr<PreparedStep> prepareGradient(const Problem& problem, const StepDescription&,
                                              const Device& device, Parameters&) {
  return withProducts(problem.sourceType, device, [&](auto products) {
    return prepareFilterGradientGemm(problem, device, kIsLarge<Tile>,
                                     launchFilterGradientGemm<decltype(products)>);
  });
}

}  // namespace

std::unique_ptr<PreparedStep> prepareFilterGradientGemm(const Problem& p, const Device& device, bool large,
                                                        LaunchFilterGradientGemm launch) {
  return preparedStep([=, parts = partsOf(p, device, large), pixelsOfPart = pixelsOfPart(p, device, large)](
                          const StepMemory& memory, cudaStream_t stream) {
    float* const sums = parts > 1 ? memory.scratchAs<float>() : memory.out<float>(0);
    const FilterGradientGemm gemm{.x = {memory.inputs[0], p.sourceStride},
                                  .dy = {memory.inputs[1], p.resultStride},
                                  .sums = sums,
                                  .vertical = p.vertical,
                                  .horizontal = p.horizontal,
                                  .rows = Divisor(p.vertical.results),
                                  .columns = Divisor(p.horizontal.results),
                                  .inputs = p.sourceChannels,
                                  .paddedInputs = paddedInputs(p),
                                  .outputs = p.resultChannels,
                                  .groups = p.groups,
                                  .pixels = static_cast<int>(p.resultPixels()),
                                  .pixelsOfPart = pixelsOfPart};
    const int unit =
        alignedUnit(operandUnitOf(p), bytesPerElement(p.sourceType), {gemm.x.data, gemm.dy.data});
    launch(gemm, large, unit, parts, stream);
    if (parts > 1) sumPartials(sums, parts, p.filterElements(), memory.out<float>(0), stream);
  });
}

const Algorithm filterGradientGemmLarge{supportsGradient<LargeTile>, estimateGradient<LargeTile>,
                                        prepareGradient<LargeTile>};
const Algorithm filterGradientGemmSmall{supportsGradient<SmallTile>, estimateGradient<SmallTile>,
                                        prepareGradient<SmallTile>};

}  // namespace ocrnet::cuda::conv

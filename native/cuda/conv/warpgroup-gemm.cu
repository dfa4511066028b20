#include <limits>

#include "cuda/conv/algorithm.h"
#include "cuda/conv/warpgroup-choice.h"
#include "cuda/conv/warpgroup-gemm.h"

namespace ocrnet::cuda::conv {

namespace {

/// What differs with the type of sources. Float32 is rounded to tf32.
struct Elements {
  const char* name;
  FilterForm form;
  LaunchWarpgroupGemm launch;
};

template <class T>
constexpr LaunchWarpgroupGemm launchGemmOf() {
  if constexpr (kHasWarpgroups) return launchWarpgroupGemm<T>;
  return nullptr;
}

Elements elementsOf(DataType type) {
  switch (type) {
    case DataType::bfloat16:
      return {"bf16", FilterForm::bfloat16, launchGemmOf<BFloat16>()};
    case DataType::float16:
      return {"f16", FilterForm::float16, launchGemmOf<Float16>()};
    default:
      return {"tf32", FilterForm::tf32, launchGemmOf<float>()};
  }
}

FilterLayout quadLayoutOf(const Problem& p) {
  const int boxElements = boxElementsOf(p);
  FilterLayout layout = filterLayout(p, elementsOf(p.sourceType).form, boxElements, boxElements);
  layout.order = RowOrder::ofQuads;
  return layout;
}

template <class Tile>
bool supportsTile(const Problem& p, const Device& device) {
  return supportsWarpgroups(p, device) && (p.sourceType != DataType::float32 || device.tf32) &&
         fitsColumns(p.resultChannels, Tile::columns);
}

/// Nothing estimates it before a GPU has shown how fast it is, and that it computes what it does in
/// emulation: the tuner's measurements, which compare results, choose it.
template <class Tile>
Estimate estimateTile(const Problem& p, const Device&) {
  return {warpgroupName(p, Tile::columns), std::numeric_limits<double>::infinity(),
          p.filterIsParameter ? 0 : quadLayoutOf(p).bytes()};
}

template <class Tile>
class WarpgroupStep final : public PreparedStep {
 public:
  WarpgroupStep(const Problem& problem, PackedFilter filter, const Device& device, LaunchWarpgroupGemm launch)
      : problem_(problem),
        layout_(quadLayoutOf(problem)),
        filter_(std::move(filter)),
        across_(divideUp(problem.resultChannels, Tile::columns)),
        tiles_(divideUp(static_cast<int>(problem.resultPixels()), Tile::rows * Tile::cluster) * across_),
        blocks_(blocksOf<Tile>(tiles_, device)),
        launch_(launch) {}

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    const Problem& p = problem_;
    const WalkedAxis vertical = walked(p.vertical), horizontal = walked(p.horizontal);
    const void* const filter = filter_.get(memory, memory.scratch, stream);
    const WarpgroupGemm gemm{
        .source = mapPixels(sourcesOf(p, memory.inputs[kSourceInput]), rangeOf(vertical), rangeOf(horizontal),
                            Tile::rows),
        .filter = mapRows({p.sourceType, filter, layout_.rows(), layout_.depth, layout_.depth},
                          Tile::columns / Tile::cluster),
        .vertical = vertical,
        .horizontal = horizontal,
        .channelSteps = layout_.channels / boxElementsOf(p),
        .pixels = static_cast<int>(p.resultPixels()),
        .resultChannels = p.resultChannels,
        .tiles = tiles_,
        .tilesAcross = across_,
        .finish = finishOf(p, memory)};
    launch_(gemm, Tile::columns, blocks_, stream);
  }
  bool reads(std::size_t input) const override { return input != kFilterInput || !filter_.isKept(); }

 private:
  const Problem problem_;
  const FilterLayout layout_;
  const PackedFilter filter_;
  const int across_, tiles_, blocks_;
  const LaunchWarpgroupGemm launch_;
};

template <class Tile>
std::unique_ptr<PreparedStep> prepareTile(const Problem& problem, const StepDescription& step,
                                          const Device& device, Parameters& parameters) {
  return prepareWarpgroupGemm<Tile>(problem, step, device, parameters, elementsOf(problem.sourceType).launch);
}

template <class Tile>
constexpr Algorithm gemmOf() {
  return {supportsTile<Tile>, estimateTile<Tile>, prepareTile<Tile>, true};
}

}  // namespace

std::string warpgroupName(const Problem& p, int columns) {
  return std::string("wgmma ") + elementsOf(p.sourceType).name + " 128×" + std::to_string(columns);
}

template <class Tile>
std::unique_ptr<PreparedStep> prepareWarpgroupGemm(const Problem& problem, const StepDescription& step,
                                                   const Device& device, Parameters& parameters,
                                                   LaunchWarpgroupGemm launch) {
  return std::make_unique<WarpgroupStep<Tile>>(
      problem, PackedFilter(quadLayoutOf(problem), problem, step, parameters), device, launch);
}

// Of these the tests start kernels with mistakes.
using PrepareGemm = std::unique_ptr<PreparedStep>(const Problem&, const StepDescription&, const Device&,
                                                  Parameters&, LaunchWarpgroupGemm);
template PrepareGemm prepareWarpgroupGemm<GemmTile64>;
template PrepareGemm prepareWarpgroupGemm<GemmTile256>;

const Algorithm warpgroupGemm64 = gemmOf<GemmTile64>();
const Algorithm warpgroupGemm96 = gemmOf<GemmTile96>();
const Algorithm warpgroupGemm128 = gemmOf<GemmTile128>();
const Algorithm warpgroupGemm192 = gemmOf<GemmTile192>();
const Algorithm warpgroupGemm256 = gemmOf<GemmTile256>();

}  // namespace ocrnet::cuda::conv

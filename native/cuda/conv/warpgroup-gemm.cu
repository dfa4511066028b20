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
constexpr LaunchWarpgroupGemm launchOf() {
  if constexpr (kHasWarpgroups) return launchWarpgroupGemm<T>;
  return nullptr;
}

Elements elementsOf(DataType type) {
  switch (type) {
    case DataType::bfloat16:
      return {"bf16", FilterForm::bfloat16, launchOf<BFloat16>()};
    case DataType::float16:
      return {"f16", FilterForm::float16, launchOf<Float16>()};
    default:
      return {"tf32", FilterForm::tf32, launchOf<float>()};
  }
}

FilterLayout layoutOf(const Problem& p) {
  const int boxElements = boxElementsOf(p);
  FilterLayout layout = filterLayout(p, elementsOf(p.sourceType).form, boxElements, boxElements);
  layout.order = RowOrder::ofQuads;
  return layout;
}

template <int columns>
bool supportsGemm(const Problem& p, const Device& device) {
  return supportsWarpgroups(p, device) && (p.sourceType != DataType::float32 || device.tf32) &&
         fitsColumns(p.resultChannels, columns);
}

/// Nothing estimates it before a GPU has shown how fast it is, and that it computes what it does in
/// emulation: the tuner's measurements, which compare results, choose it.
template <int columns>
Estimate estimateGemm(const Problem& p, const Device&) {
  return {warpgroupName(p, columns), std::numeric_limits<double>::infinity(),
          p.filterIsParameter ? 0 : layoutOf(p).bytes()};
}

class WarpgroupStep final : public PreparedStep {
 public:
  WarpgroupStep(const Problem& problem, PackedFilter filter, const Device& device, int columns,
                LaunchWarpgroupGemm launch)
      : problem_(problem),
        layout_(layoutOf(problem)),
        filter_(std::move(filter)),
        multiprocessors_(device.multiprocessors),
        columns_(columns),
        launch_(launch) {}

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    const Problem& p = problem_;
    const WalkedAxis vertical = walked(p.vertical), horizontal = walked(p.horizontal);
    const void* const filter = filter_.get(memory, memory.scratch, stream);
    const auto pixels = static_cast<int>(p.resultPixels());
    const int across = divideUp(p.resultChannels, columns_), tiles = divideUp(pixels, kTileRows) * across;
    const WarpgroupGemm gemm{
        .source = mapPixels(sourcesOf(p, memory.inputs[kSourceInput]), rangeOf(vertical), rangeOf(horizontal),
                            kTileRows),
        .filter = mapRows({p.sourceType, filter, layout_.rows(), layout_.depth, layout_.depth}, columns_),
        .vertical = vertical,
        .horizontal = horizontal,
        .channelSteps = layout_.channels / boxElementsOf(p),
        .pixels = pixels,
        .resultChannels = p.resultChannels,
        .tiles = tiles,
        .tilesAcross = across,
        .finish = finishOf(p, memory)};
    launch_(gemm, columns_, std::min(tiles, multiprocessors_), stream);
  }
  bool reads(std::size_t input) const override { return input != kFilterInput || !filter_.isKept(); }

 private:
  static constexpr int kTileRows = kConsumers * kWarpgroupRows;

  const Problem problem_;
  const FilterLayout layout_;
  const PackedFilter filter_;
  const int multiprocessors_, columns_;
  const LaunchWarpgroupGemm launch_;
};

template <int columns>
std::unique_ptr<PreparedStep> prepareGemm(const Problem& problem, const StepDescription& step,
                                          const Device& device, Parameters& parameters) {
  return prepareWarpgroupGemm(problem, step, device, parameters, columns,
                              elementsOf(problem.sourceType).launch);
}

template <int columns>
constexpr Algorithm withColumns() {
  return {supportsGemm<columns>, estimateGemm<columns>, prepareGemm<columns>};
}

}  // namespace

std::string warpgroupName(const Problem& p, int columns) {
  return std::string("wgmma ") + elementsOf(p.sourceType).name + " 128×" + std::to_string(columns);
}

std::unique_ptr<PreparedStep> prepareWarpgroupGemm(const Problem& problem, const StepDescription& step,
                                                   const Device& device, Parameters& parameters, int columns,
                                                   LaunchWarpgroupGemm launch) {
  return std::make_unique<WarpgroupStep>(problem, PackedFilter(layoutOf(problem), problem, step, parameters),
                                         device, columns, launch);
}

const Algorithm warpgroupGemm64 = withColumns<64>();
const Algorithm warpgroupGemm96 = withColumns<96>();
const Algorithm warpgroupGemm128 = withColumns<128>();
const Algorithm warpgroupGemm192 = withColumns<192>();
const Algorithm warpgroupGemm256 = withColumns<256>();

}  // namespace ocrnet::cuda::conv

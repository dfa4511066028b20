#include <algorithm>

#include "cuda/conv/algorithm.h"
#include "cuda/conv/gemm-choice.h"
#include "cuda/conv/implicit-gemm.h"
#include "cuda/conv/packed-filter.h"

namespace ocrnet::cuda::conv {

namespace {

/// Strides beyond this are not divided into phases.
constexpr int kMostDivisor = 4;

/// The widest copies of sources that strides and channels allow, in bytes.
int sourceUnitOf(const Problem& p) {
  return copyUnitOf(bytesPerElement(p.sourceType), {p.sourceStride, p.groups > 1 ? p.sourceChannels : 0});
}

template <class Tile>
bool supportsGemm(const Problem& p, const Device&) {
  constexpr std::int64_t kMostDepth = 1 << 28;  // the zeros that fill taps up included
  if (std::int64_t{p.taps()} * (p.sourceChannels + 16) > kMostDepth) return false;
  if (kIsLarge<Tile> && sourceUnitOf(p) < 16) return false;
  return std::max(p.vertical.divisor, p.horizontal.divisor) <= kMostDivisor && p.groups <= kMostGridHeight &&
         (p.groups == 1 || std::min(p.sourceChannels, p.resultChannels) >= kFewestGroupChannels);
}

FilterForm formOf(const Problem& p, const Device& device) {
  if (p.sourceType == DataType::bfloat16) return FilterForm::bfloat16;
  if (p.sourceType == DataType::float16) return FilterForm::float16;
  return device.tf32 ? FilterForm::tf32 : FilterForm::float32;
}

FilterLayout layoutOf(const Problem& p, const Device& device) {
  const auto elementBytes = static_cast<int>(bytesPerElement(p.sourceType));
  return filterLayout(p, formOf(p, device), sourceUnitOf(p) / elementBytes, kDeepRowBytes / elementBytes);
}

template <class Tile>
Estimate estimateGemm(const Problem& p, const Device& device) {
  const FilterLayout layout = layoutOf(p, device);
  double rows = 0;
  double steps = 0;  // of a block, on average over the phases
  for (int i = 0; i < layout.phases(); ++i) {
    const Phase down = phaseOf(p.vertical, i / p.horizontal.divisor);
    const Phase across = phaseOf(p.horizontal, i % p.horizontal.divisor);
    rows += divideUp(p.batch * down.results * across.results, Tile::rows);
    steps += static_cast<double>(down.taps * across.taps * layout.channels) / layout.phases();
  }
  const double blocks = rows * divideUp(p.resultChannels, Tile::columns) * p.groups;
  return withProducts(p.sourceType, device, [&](auto products) -> Estimate {
    return {gemmName<Tile>(products), gemmMicroseconds<Tile>(products, blocks, steps, device),
            p.filterIsParameter ? 0 : layout.bytes()};
  });
}

/// Neighbouring channels of results and residuals that 16 bytes hold, or one.
int packOf(const Problem& p, const Finish& finish) {
  const std::int64_t bytes = bytesPerElement(p.resultType);
  const auto fits = [&](const Source& operand) {
    return !operand.data ||
           (operand.stride * bytes % 16 == 0 && reinterpret_cast<std::uintptr_t>(operand.data) % 16 == 0);
  };
  const bool wide = p.resultChannels * bytes % 16 == 0 && fits(finish.residual) &&
                    fits({finish.result.data, finish.result.stride});
  return wide ? static_cast<int>(16 / bytes) : 1;
}

/// A parameter is read in its packed form alone.
class GemmStep final : public PreparedStep {
 public:
  GemmStep(const Problem& problem, const FilterLayout& layout, PackedFilter filter, LaunchImplicitGemm launch,
           bool large)
      : problem_(problem), layout_(layout), filter_(std::move(filter)), launch_(launch), large_(large) {}

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    const Problem& p = problem_;
    const Source source{memory.inputs[kSourceInput], p.sourceStride};
    const Finish finish = finishOf(p, memory);
    const ImplicitGemm gemm{.source = source,
                            .filter = filter_.get(memory, memory.scratch, stream),
                            .batch = p.batch,
                            .groups = p.groups,
                            .vertical = p.vertical,
                            .horizontal = p.horizontal,
                            .sourceChannels = p.sourceChannels,
                            .resultChannels = p.resultChannels,
                            .paddedChannels = Divisor(layout_.channels),
                            .filterDepth = layout_.depth,
                            .finish = finish,
                            .pack = packOf(p, finish)};
    launch_(gemm, large_, alignedUnit(sourceUnitOf(p), bytesPerElement(p.sourceType), {source.data}), stream);
  }
  bool reads(std::size_t input) const override { return input != kFilterInput || !filter_.isKept(); }

 private:
  const Problem problem_;
  const FilterLayout layout_;
  const PackedFilter filter_;
  const LaunchImplicitGemm launch_;
  const bool large_;
};

template <class Tile>
std::unique_ptr<PreparedStep> prepareGemm(const Problem& problem, const StepDescription& step,
                                          const Device& device, Parameters& parameters) {
  return withProducts(problem.sourceType, device, [&](auto products) {
    return prepareImplicitGemm(problem, step, device, parameters, kIsLarge<Tile>,
                               launchImplicitGemm<decltype(products)>);
  });
}

}  // namespace

std::unique_ptr<PreparedStep> prepareImplicitGemm(const Problem& problem, const StepDescription& step,
                                                  const Device& device, Parameters& parameters, bool large,
                                                  LaunchImplicitGemm launch) {
  const FilterLayout layout = layoutOf(problem, device);
  return std::make_unique<GemmStep>(problem, layout, PackedFilter(layout, problem, step, parameters), launch,
                                    large);
}

const Algorithm implicitGemmLarge{supportsGemm<LargeTile>, estimateGemm<LargeTile>, prepareGemm<LargeTile>,
                                  true};
const Algorithm implicitGemmSmall{supportsGemm<SmallTile>, estimateGemm<SmallTile>, prepareGemm<SmallTile>,
                                  true};

}  // namespace ocrnet::cuda::conv

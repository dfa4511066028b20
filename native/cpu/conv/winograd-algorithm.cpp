// 3×3 convolutions of stride 1 in float32 by Winograd's F(4×4, 3×3): slices in place, fewer multiplications.

#include "cpu/conv/algorithm.h"
#include "cpu/conv/packed-filter.h"
#include "cpu/winograd/filter-gradient.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::conv {

namespace {

/// relativeCost promises too much: Winograd is taken where it promises to need less than this share of the
/// direct convolution's time.
constexpr double kTrustedShare = 0.8;

winograd::Problem winogradProblem(const Problem& problem) {
  const Convolution& c = problem.convolution;
  return {
      .batch = c.batch,
      .height = c.height,
      .width = c.width,
      .channelsIn = c.channelsIn,
      .channelsOut = c.channelsOut,
      .dilation = c.dilation,
      .padding = c.padding,
      .inputPixelStride = problem.inputPixelStride,
      .outputPixelStride = problem.outputPixelStride,
      .residualPixelStride = problem.residualPixelStride,
      .filterOrder =
          problem.filterIsTransposed ? winograd::FilterOrder::transposed : winograd::FilterOrder::plain,
  };
}

Packing packing(const winograd::Problem& problem, const Device& device) {
  return {
      .layout = std::string("winograd ") + isaName(device.isa) +
                (problem.filterOrder == winograd::FilterOrder::transposed ? ", transposed" : ""),
      .bytes = winograd::packedFilterBytes(problem, device),
      .pack =
          [=](const float* filter, std::byte* packed) {
            winograd::packFilter(problem, device, filter, reinterpret_cast<float*>(packed));
          },
      .unpack =
          [=](const std::byte* packed, float* filter) {
            winograd::unpackFilter(problem, device, reinterpret_cast<const float*>(packed), filter);
          },
  };
}

class WinogradStep final : public PreparedStep {
 public:
  WinogradStep(const Problem& problem, const StepDescription& description, const Device& device,
               Weights& weights)
      : problem_(winogradProblem(problem)),
        convolution_(problem.convolution),
        residualInput_(problem.residualInput),
        device_(device),
        filter_(description, weights, packing(problem_, device)),
        filterOffset_(aligned(winograd::scratchBytes(problem_, device))) {}

  bool reads(std::size_t input) const override { return input != kFilter || !filter_.isKept(); }

  void run(const StepMemory& memory) override {
    winograd::run(problem_, device_,
                  {
                      .x = memory.in<float>(kX),
                      .packedFilter =
                          reinterpret_cast<const float*>(filter_.get(memory, memory.scratch + filterOffset_)),
                      .bias = convolution_.bias ? memory.in<float>(kBias) : nullptr,
                      .residual = convolution_.residual ? memory.in<float>(residualInput_) : nullptr,
                      .y = memory.out<float>(0),
                      .epilogue = {convolution_.activation, convolution_.slope()},
                  },
                  memory.scratch);
  }

 private:
  const winograd::Problem problem_;
  const Convolution convolution_;
  const std::size_t residualInput_;
  const Device device_;
  const PackedFilter filter_;
  const std::size_t filterOffset_;  // in the scratch, for a filter that is no parameter
};

bool supports(const Problem& problem, const Device&) {
  const Convolution& c = problem.convolution;
  return c.inputType == DataType::float32 && c.outputType == DataType::float32 && c.kernelHeight == 3 &&
         c.kernelWidth == 3 && c.stride == 1 && c.groups == 1;
}

Estimate estimate(const Problem& problem, const Device& device) {
  const winograd::Problem p = winogradProblem(problem);
  const std::size_t scratch = winograd::scratchBytes(p, device);
  return {
      .name = "winograd4x4",
      .cost = winograd::relativeCost(p, device) / kTrustedShare * problem.convolution.flops(),
      .scratchBytes =
          problem.filterIsParameter ? scratch : aligned(scratch) + winograd::packedFilterBytes(p, device),
  };
}

class FilterGradientStep final : public PreparedStep {
 public:
  FilterGradientStep(const Problem& problem, const Device& device)
      : problem_(winogradProblem(problem)), device_(device) {}

  void run(const StepMemory& memory) override {
    winograd::runFilterGradient(
        problem_, device_, {memory.in<float>(0), memory.in<float>(1), memory.out<float>(0)}, memory.scratch);
  }

 private:
  const winograd::Problem problem_;
  const Device device_;
};

Estimate estimateFilterGradient(const Problem& problem, const Device& device) {
  const winograd::Problem p = winogradProblem(problem);
  return {
      .name = "winograd4x4",
      .cost = winograd::filterGradientRelativeCost(p, device) / kTrustedShare * problem.convolution.flops(),
      .scratchBytes = winograd::filterGradientScratchBytes(p, device),
  };
}

std::unique_ptr<PreparedStep> prepareFilterGradient(const Problem& problem, const StepDescription&,
                                                    const Device& device, Weights&) {
  return std::make_unique<FilterGradientStep>(problem, device);
}

std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription& description,
                                      const Device& device, Weights& weights) {
  return std::make_unique<WinogradStep>(problem, description, device, weights);
}

}  // namespace

const Algorithm winogradAlgorithm{supports, estimate, prepare};
const Algorithm winogradFilterGradient{supports, estimateFilterGradient, prepareFilterGradient};

}  // namespace ocrnet::cpu::conv

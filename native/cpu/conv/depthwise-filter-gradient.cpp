// The filter's gradient of depthwise convolutions by our own kernel: of those with a dilation oneDNN has none
// that deserves the name. Each channel's sum is made by one thread, whatever their number.

#include <algorithm>

#include "core/integers.h"
#include "cpu/conv/algorithm.h"
#include "cpu/kernels/kernels.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu::conv {

namespace {

class DepthwiseStep final : public PreparedStep {
 public:
  DepthwiseStep(const Problem& problem, const Device& device) : problem_(problem), device_(device) {}

  void run(const StepMemory& memory) override {
    const Convolution& c = problem_.convolution;
    const DepthwiseFilterGradient gradient{
        .batch = c.batch,
        .height = c.height,
        .width = c.width,
        .outputHeight = c.outputHeight,
        .outputWidth = c.outputWidth,
        .kernelHeight = c.kernelHeight,
        .kernelWidth = c.kernelWidth,
        .stride = c.stride,
        .padding = c.padding,
        .dilation = c.dilation,
        .x = {memory.inputs[0], problem_.inputPixelStride},
        .dy = {memory.inputs[1], problem_.outputPixelStride},
        .dFilter = memory.out<float>(0),
    };
    const Kernels& kernels = kernelsFor(device_.isa);
    const std::int64_t blocks = divideUp(c.channelsOut, kMostLanes);
    parallel(device_.threads, blocks, 1, [&](Range range, int) {
      kernels.depthwiseFilterGradient(
          gradient, {range.first * kMostLanes, std::min(range.end * kMostLanes, c.channelsOut)});
    });
  }

 private:
  const Problem problem_;
  const Device device_;
};

bool supports(const Problem& problem, const Device&) {
  const Convolution& c = problem.convolution;
  return c.groups > 1 && c.groups == c.channelsIn && c.groups == c.channelsOut &&
         c.kernelHeight * c.kernelWidth <= kMostDepthwiseTaps;
}

// Of oneDNN's time where it has a kernel for depthwise convolutions.
constexpr double kRelativeCost = 1.3;

Estimate estimate(const Problem& problem, const Device&) {
  return {.name = "depthwise", .cost = kRelativeCost * problem.convolution.flops(), .scratchBytes = 0};
}

std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription&, const Device& device,
                                      Weights&) {
  return std::make_unique<DepthwiseStep>(problem, device);
}

}  // namespace

const Algorithm depthwiseFilterGradient{supports, estimate, prepare};

}  // namespace ocrnet::cpu::conv

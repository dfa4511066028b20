// The filter's gradient as plain sums over the output's pixels, one matrix product for each tap: for strides,
// large filters and slices, which oneDNN's backward pass is slow at or wants copied, and for 1×1 with many
// channels. Only what a core needs next is gathered, into its cache.

#include <algorithm>
#include <cstring>

#include "cpu/conv/algorithm.h"
#include "cpu/winograd/filter-sums.h"

namespace ocrnet::cpu::conv {

namespace {

// Cycles for a vector of channels: of x for the first tap and for the others, which find it in the cache; of
// dy; of U. Fitted on Zen 4.
constexpr double kInputCycles = 12, kTapCycles = 5, kGradientCycles = 16, kBackCycles = 4;

/// As for Winograd: what the estimate promises is taken where it is less than this share of oneDNN's time.
constexpr double kTrustedShare = 0.9;

winograd::SumSizes sizesOf(const Convolution& c) {
  const std::int64_t taps = c.kernelHeight * c.kernelWidth;
  return {
      .channelsIn = c.channelsIn,
      .channelsOut = c.channelsOut,
      .terms = c.outputPixels(),
      .taps = taps,
      .points = taps,
      .gradientPoints = 1,
      .inputCycles = kInputCycles + kTapCycles * static_cast<double>(taps),
      .gradientCycles = kGradientCycles,
      .backCycles = kBackCycles * static_cast<double>(taps),
  };
}

class Pixels final : public winograd::SumTerms {
 public:
  Pixels(const Problem& problem, const float* x, const float* dy) : problem_(problem), x_(x), dy_(dy) {}

  void makeInputs(Range channels, Range pixels, float* v, std::int64_t pixelStride,
                  std::int64_t tapStride) const override {
    const Convolution& c = problem_.convolution;
    const std::size_t bytes = channels.size() * sizeof(float);
    for (std::int64_t i = 0; i < c.kernelHeight; ++i) {
      for (std::int64_t j = 0; j < c.kernelWidth; ++j, v += tapStride) {
        float* to = v;
        for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel, to += pixelStride) {
          const float* const from = inputOf(pixel, i, j);
          if (from) {
            std::memcpy(to, from + channels.first, bytes);
          } else {
            std::memset(to, 0, bytes);
          }
        }
      }
    }
  }

  void makeGradients(Range outputs, Range pixels, float* m, std::int64_t pixelStride,
                     std::int64_t) const override {
    for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel, m += pixelStride) {
      std::memcpy(m, dy_ + pixel * problem_.outputPixelStride + outputs.first,
                  outputs.size() * sizeof(float));
    }
  }

  void takeBack(const float* u, std::int64_t pointStride, std::int64_t channels, float* taps,
                std::int64_t tapStride, bool accumulate) const override {
    const std::int64_t count = problem_.convolution.kernelHeight * problem_.convolution.kernelWidth;
    for (std::int64_t tap = 0; tap < count; ++tap, u += pointStride, taps += tapStride) {
      if (accumulate) {
        for (std::int64_t i = 0; i < channels; ++i) taps[i] += u[i];
      } else {
        std::memcpy(taps, u, channels * sizeof(float));
      }
    }
  }

 private:
  /// The input pixel that a tap of an output pixel reads; null in the padding.
  const float* inputOf(std::int64_t pixel, std::int64_t tapRow, std::int64_t tapColumn) const {
    const Convolution& c = problem_.convolution;
    const std::int64_t column = pixel % c.outputWidth, rest = pixel / c.outputWidth;
    const std::int64_t i = rest % c.outputHeight * c.stride - c.padding + tapRow * c.dilation;
    const std::int64_t j = column * c.stride - c.padding + tapColumn * c.dilation;
    if (i < 0 || i >= c.height || j < 0 || j >= c.width) return nullptr;
    return x_ + ((rest / c.outputHeight * c.height + i) * c.width + j) * problem_.inputPixelStride;
  }

  const Problem& problem_;
  const float* const x_;
  const float* const dy_;
};

class SumsStep final : public PreparedStep {
 public:
  SumsStep(const Problem& problem, const Device& device) : problem_(problem), device_(device) {}

  void run(const StepMemory& memory) override {
    const Pixels pixels(problem_, memory.in<float>(0), memory.in<float>(1));
    winograd::runSums(sizesOf(problem_.convolution), pixels, device_, memory.out<float>(0), memory.scratch);
  }

 private:
  const Problem problem_;
  const Device device_;
};

bool supports(const Problem& problem, const Device&) { return problem.convolution.groups == 1; }

Estimate estimate(const Problem& problem, const Device& device) {
  const Convolution& c = problem.convolution;
  const winograd::SumSizes sizes = sizesOf(c);
  return {
      .name = "sums",
      .cost = winograd::sumRelativeCost(sizes, device, c.flops()) / kTrustedShare * c.flops(),
      .scratchBytes = winograd::sumScratchBytes(sizes, device),
  };
}

std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription&, const Device& device,
                                      Weights&) {
  return std::make_unique<SumsStep>(problem, device);
}

}  // namespace

const Algorithm sumsFilterGradient{supports, estimate, prepare};

}  // namespace ocrnet::cpu::conv

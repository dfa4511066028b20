// The filter's gradient by the transpose of Winograd's algorithm. With V = Bᵀ d B and Y = Aᵀ (Σ V ⊙ G g Gᵀ) A
// of winograd.cpp, a loss with gradient dy has
//
//   V  = Bᵀ d B              each input tile, each input channel      (transforms.h)
//   dM = A dy Aᵀ             each 4×4 tile of dy, each output channel (gradient-transforms.h)
//   dU = Σ dM ⊙ V            over tiles, for each of the 36 points    (filter-sums.cpp)
//   dg = Gᵀ dU G             each pair of channels                    (gradient-transforms.h)

#include "cpu/winograd/filter-gradient.h"

#include <algorithm>

#include "cpu/winograd/filter-sums.h"
#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/schedule.h"
#include "cpu/winograd/tiles.h"

namespace ocrnet::cpu::winograd {

namespace {

SumSizes sizesOf(const Problem& problem) {
  return {
      .channelsIn = problem.channelsIn,
      .channelsOut = problem.channelsOut,
      .terms = TileGrid(problem).tiles(),
      .taps = kTaps,
      .points = kPoints,
      .gradientPoints = kPoints,
      .inputCycles = 250,
      .gradientCycles = 400,
      .backCycles = 250,
  };
}

/// Stands for the pixels outside the image.
std::int64_t zeroFloats(const Problem& problem) {
  return unaliased(std::max(problem.channelsIn, problem.channelsOut));
}

class Tiles final : public SumTerms {
 public:
  Tiles(const Problem& problem, const FilterGradientOperands& operands, const Kernels& kernels, float* zeros)
      : problem_(problem), operands_(operands), kernels_(kernels), grid_(problem), zeros_(zeros) {
    std::fill_n(zeros, std::max(problem.channelsIn, problem.channelsOut), 0.0f);
  }

  void makeInputs(Range channels, Range tiles, float* v, std::int64_t tileStride,
                  std::int64_t pointStride) const override {
    const InputLayout layout{tileStride, pointStride, 0};
    for (std::int64_t tile = tiles.first; tile < tiles.end; ++tile, v += tileStride) {
      const float* pixels[kPoints];
      grid_.findInputs(tile, operands_.x + channels.first, zeros_, pixels);
      kernels_.transformInput(pixels, channels.size(), v, layout);
    }
  }

  void makeGradients(Range outputs, Range tiles, float* m, std::int64_t tileStride,
                     std::int64_t pointStride) const override {
    for (std::int64_t tile = tiles.first; tile < tiles.end; ++tile, m += tileStride) {
      const float* pixels[kOutputTile * kOutputTile];
      grid_.findOutputs<const float>(tile, operands_.dy + outputs.first, problem_.outputPixelStride, zeros_,
                                     pixels);
      kernels_.transformGradient(pixels, outputs.size(), m, pointStride);
    }
  }

  void takeBack(const float* u, std::int64_t pointStride, std::int64_t channels, float* taps,
                std::int64_t tapStride, bool accumulate) const override {
    kernels_.transformFilterGradient(u, pointStride, channels, taps, tapStride, accumulate);
  }

 private:
  const Problem& problem_;
  const FilterGradientOperands& operands_;
  const Kernels& kernels_;
  const TileGrid grid_;
  const float* const zeros_;
};

}  // namespace

std::size_t filterGradientScratchBytes(const Problem& problem, const Device& device) {
  return static_cast<std::size_t>(zeroFloats(problem)) * sizeof(float) +
         sumScratchBytes(sizesOf(problem), device);
}

void runFilterGradient(const Problem& problem, const Device& device, const FilterGradientOperands& operands,
                       void* scratch) {
  auto* const zeros = static_cast<float*>(scratch);
  const Tiles tiles(problem, operands, kernelsFor(device.isa), zeros);
  runSums(sizesOf(problem), tiles, device, operands.dFilter, zeros + zeroFloats(problem));
}

double filterGradientRelativeCost(const Problem& problem, const Device& device) {
  const double pixels = static_cast<double>(problem.batch * problem.outputHeight() * problem.outputWidth());
  const double flops = 2 * kTaps * pixels * static_cast<double>(problem.channelsIn * problem.channelsOut);
  return sumRelativeCost(sizesOf(problem), device, flops);
}

}  // namespace ocrnet::cpu::winograd

// 1×1 convolutions of stride 1 as oneDNN's product of a (pixels, C) and a (C, O) matrix.
//
// oneDNN multiplies rows with gaps at half its speed. So slices are copied, but by pieces that stay in cache:
// then the copies cost little.

#include <algorithm>

#include "cpu/conv/algorithm.h"
#include "cpu/conv/dnnl-step.h"

namespace ocrnet::cpu::conv {

namespace {

constexpr std::int64_t kPieceBytesPerThread = 512 << 10;  // of x and y: half of a core's second-level cache
constexpr std::int64_t kPieceMultiple = 64;               // pixels: whole blocks of oneDNN's kernels

std::int64_t piecePixels(const Problem& problem, int threads) {
  const Convolution& c = problem.convolution;
  const std::int64_t pixels = c.outputPixels();
  if (!problem.inputIsSlice() && !problem.outputIsSlice()) return pixels;
  const std::int64_t pixelBytes =
      c.channelsIn * bytesPerElement(c.inputType) + c.channelsOut * bytesPerElement(c.outputType);
  const std::int64_t multiple = kPieceMultiple * threads;
  const std::int64_t piece = threads * kPieceBytesPerThread / pixelBytes / multiple * multiple;
  return std::min(std::max(piece, multiple), pixels);
}

DnnlSchedule schedule(const Problem& problem, const Device& device) {
  const Convolution& c = problem.convolution;
  const std::int64_t piece = piecePixels(problem, device.threads), rest = c.outputPixels() % piece;
  DnnlSchedule plan{matmulKernel(c, piece, device.threads), nullptr, piece, piece};
  if (rest > 0) plan.rest = matmulKernel(c, rest, device.threads, plan.whole.get());
  return plan;
}

bool supports(const Problem& problem) {
  const Convolution& c = problem.convolution;
  return c.kernelHeight == 1 && c.kernelWidth == 1 && c.stride == 1 && c.padding == 0 && c.groups == 1;
}

Estimate estimate(const Problem& problem, const Device& device) {
  const DnnlSchedule plan = schedule(problem, device);
  const double slowdown = plan.whole->isReference() ? kReferenceSlowdown : 1;
  return {
      .name = "matmul " + plan.whole->implementation,
      .cost = problem.convolution.flops() * slowdown,
      .scratchBytes = scratchBytes(problem, plan),
  };
}

std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription& description,
                                      const Device& device, Weights& weights) {
  return makeDnnlStep(problem, schedule(problem, device), description, device, weights);
}

}  // namespace

const Algorithm matmulAlgorithm{supports, estimate, prepare};

}  // namespace ocrnet::cpu::conv

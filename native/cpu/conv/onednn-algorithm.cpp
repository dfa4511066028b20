// Any convolution, by oneDNN. Its fast implementations want dense tensors, so slices are copied. They skip
// taps in the padding: of dilation 24 on 128×128 pixels that is a quarter, and they take three quarters of
// the time.

#include "cpu/conv/algorithm.h"
#include "cpu/conv/dnnl-step.h"

namespace ocrnet::cpu::conv {

namespace {

DnnlSchedule schedule(const Problem& problem, const Device& device) {
  const Convolution& c = problem.convolution;
  return {convolutionKernel(c, device.threads), nullptr, c.inputPixels(), c.outputPixels(), 1};
}

double copiedBytes(const Problem& problem) {
  const Convolution& c = problem.convolution;
  double bytes = 0;
  if (problem.inputIsSlice()) bytes += c.inputPixels() * c.channelsIn * bytesPerElement(c.inputType);
  if (problem.outputIsSlice()) bytes += c.outputPixels() * c.channelsOut * bytesPerElement(c.outputType);
  return bytes;
}

/// Without dilation the padding is little, and Winograd's estimates, made beside measurements, include it.
double computedShare(const Convolution& c) { return c.dilation > 1 ? c.insideShare() : 1; }

bool supports(const Problem&, const Device&) { return true; }

Estimate estimate(const Problem& problem, const Device& device) {
  const DnnlSchedule plan = schedule(problem, device);
  const double slowdown = plan.piece->isReference() ? kReferenceSlowdown : 1;
  return {
      .name = "onednn " + plan.piece->implementation,
      .cost = problem.convolution.flops() * computedShare(problem.convolution) * slowdown +
              copiedBytes(problem) * kCostPerCopiedByte,
      .scratchBytes = scratchBytes(problem, plan),
  };
}

std::unique_ptr<PreparedStep> prepare(const Problem& problem, const StepDescription& description,
                                      const Device& device, Weights& weights) {
  return makeDnnlStep(problem, schedule(problem, device), description, device, weights);
}

}  // namespace

const Algorithm onednnAlgorithm{supports, estimate, prepare};

}  // namespace ocrnet::cpu::conv

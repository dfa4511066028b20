#include <mutex>
#include <set>

#include "core/error.h"
#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu {

namespace {

// A step's `algorithm` is an index of this table. Where costs are equal the first is taken.
constexpr const conv::Algorithm* kAlgorithms[] = {
    &conv::onednnAlgorithm,
    &conv::matmulAlgorithm,
    &conv::winogradAlgorithm,
};

/// Names live as long as the process: there are only a few.
const char* keepName(const std::string& name) {
  static std::mutex mutex;
  static std::set<std::string> names;
  const std::lock_guard lock(mutex);
  return names.insert(name).first->c_str();
}

Choice choose(const StepDescription& description, const Device& device) {
  const conv::Problem problem = conv::describeProblem(description);
  std::uint32_t best = kUnchosen;
  conv::Estimate bestEstimate{};
  for (std::uint32_t i = 0; i < std::size(kAlgorithms); ++i) {
    if (!kAlgorithms[i]->supports(problem)) continue;
    conv::Estimate estimate = kAlgorithms[i]->estimate(problem, device);
    if (best != kUnchosen && estimate.cost >= bestEstimate.cost) continue;
    best = i;
    bestEstimate = std::move(estimate);
  }
  return {best, keepName(bestEstimate.name), bestEstimate.scratchBytes};
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& description, const Device& device,
                                      Weights& weights) {
  const Step& step = description.step();
  const conv::Problem problem = conv::describeProblem(description);
  if (step.algorithm >= std::size(kAlgorithms) || !kAlgorithms[step.algorithm]->supports(problem)) {
    throw Error("INVALID_PLAN", "no algorithm " + std::to_string(step.algorithm) + " for these tensors");
  }
  const conv::Algorithm& algorithm = *kAlgorithms[step.algorithm];
  const std::size_t needed = algorithm.estimate(problem, device).scratchBytes;
  if (step.scratchBytes < needed) {
    throw Error("INVALID_PLAN", "expected " + std::to_string(needed) + " bytes of scratch, received " +
                                    std::to_string(step.scratchBytes));
  }
  return algorithm.prepare(problem, description, device, weights);
}

}  // namespace

const Op conv2dOp{choose, prepare};

}  // namespace ocrnet::cpu

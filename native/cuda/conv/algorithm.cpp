#include "cuda/conv/algorithm.h"

#include <mutex>
#include <set>

namespace ocrnet::cuda::conv {

namespace {

/// Names live as long as the process: there are only a few.
const char* keepName(const std::string& name) {
  static std::mutex mutex;
  static std::set<std::string> names;
  const std::lock_guard lock(mutex);
  return names.insert(name).first->c_str();
}

}  // namespace

Choice choose(AlgorithmTable table, const Problem& problem, const Device& device) {
  std::uint32_t best = kUnchosen;
  Estimate bestEstimate{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    if (!table[i]->supports(problem)) continue;
    Estimate estimate = table[i]->estimate(problem, device);
    if (best != kUnchosen && estimate.microseconds >= bestEstimate.microseconds) continue;
    best = i;
    bestEstimate = std::move(estimate);
  }
  return {best, keepName(bestEstimate.name), bestEstimate.scratchBytes};
}

std::unique_ptr<PreparedStep> prepare(AlgorithmTable table, const Problem& problem,
                                      const StepDescription& step, const Device& device,
                                      Parameters& parameters) {
  const std::uint32_t number = step.step().algorithm;
  if (number >= table.size() || !table[number]->supports(problem)) {
    throw Error("INVALID_PLAN", "no algorithm " + std::to_string(number) + " for these tensors");
  }
  const Algorithm& algorithm = *table[number];
  requireChoice(step, {number, "", algorithm.estimate(problem, device).scratchBytes});
  return algorithm.prepare(problem, step, device, parameters);
}

}  // namespace ocrnet::cuda::conv

#include "cpu/conv/algorithm-table.h"

#include <mutex>
#include <set>

#include "core/error.h"

namespace ocrnet::cpu::conv {

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
    if (best != kUnchosen && estimate.cost >= bestEstimate.cost) continue;
    best = i;
    bestEstimate = std::move(estimate);
  }
  return {best, keepName(bestEstimate.name), bestEstimate.scratchBytes};
}

std::unique_ptr<PreparedStep> prepare(AlgorithmTable table, const Problem& problem,
                                      const StepDescription& description, const Device& device,
                                      Weights& weights) {
  const Step& step = description.step();
  if (step.algorithm >= table.size() || !table[step.algorithm]->supports(problem)) {
    throw Error("INVALID_PLAN", "no algorithm " + std::to_string(step.algorithm) + " for these tensors");
  }
  const Algorithm& algorithm = *table[step.algorithm];
  const std::size_t needed = algorithm.estimate(problem, device).scratchBytes;
  if (step.scratchBytes < needed) {
    throw Error("INVALID_PLAN", "expected " + std::to_string(needed) + " bytes of scratch, received " +
                                    std::to_string(step.scratchBytes));
  }
  return algorithm.prepare(problem, description, device, weights);
}

}  // namespace ocrnet::cpu::conv

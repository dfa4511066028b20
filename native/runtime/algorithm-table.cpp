#include "runtime/algorithm-table.h"

#include <mutex>
#include <set>

#include "core/error.h"

namespace ocrnet {

Choice choiceOf(std::uint32_t algorithm, const AlgorithmEstimate& estimate) {
  static std::mutex mutex;
  static std::set<std::string> names;
  const std::lock_guard lock(mutex);
  return {algorithm, names.insert(estimate.name).first->c_str(), estimate.scratchBytes};
}

void refuseAlgorithm(const Step& step) {
  throw Error("INVALID_PLAN", "no algorithm " + std::to_string(step.algorithm) + " for these tensors");
}

}  // namespace ocrnet

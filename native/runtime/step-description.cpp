#include "runtime/step-description.h"

#include <utility>

#include "core/error.h"

namespace ocrnet {

void requireChoice(const StepDescription& step, const Choice& choice) {
  const auto& [algorithm, scratchBytes] = std::pair{step.step().algorithm, step.step().scratchBytes};
  if (algorithm == choice.algorithm && scratchBytes >= choice.scratchBytes) return;
  throw Error("INVALID_PLAN", "expected algorithm " + std::to_string(choice.algorithm) + " with " +
                                  std::to_string(choice.scratchBytes) +
                                  " bytes of scratch, received algorithm " + std::to_string(algorithm) +
                                  " with " + std::to_string(scratchBytes));
}

void requireGroup(const StepDescription& step) {
  if (step.inGroup()) return;
  throw Error("INVALID_ARGUMENT", "meets the other devices of a group: the plan was loaded without one");
}

}  // namespace ocrnet

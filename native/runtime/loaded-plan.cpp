#include "runtime/loaded-plan.h"

#include <string>

#include "core/error.h"

namespace ocrnet {

std::vector<std::byte*> findBlocks(const Plan& plan, const State* state) {
  std::vector<std::byte*> blocks;
  for (const auto& [name, expected] : plan.states) {
    if (!state) throw Error("INVALID_ARGUMENT", "The plan needs state \"" + name + "\", received none");
    const auto [data, elements] = state->block(name);
    if (elements != expected) {
      throw Error("INVALID_ARGUMENT", "State \"" + name + "\": expected " + std::to_string(expected) +
                                          " elements, received " + std::to_string(elements));
    }
    blocks.push_back(data);
  }
  return blocks;
}

}  // namespace ocrnet

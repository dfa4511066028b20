#pragma once

// What the loaded plans of all devices do alike: find the state that the plan names, hold the parameters that
// its steps read, and tell where a tensor lies.

#include <memory>
#include <span>
#include <vector>

#include "core/error.h"
#include "plan/plan.h"
#include "runtime/state.h"

namespace ocrnet {

/// Throws Error("UNSUPPORTED") for an operation that the device does not run.
template <class Op>
const Op& requireOp(const Op* op) {
  if (!op) throw Error("UNSUPPORTED", "is compiled away and never runs");
  return *op;
}

/// The plan's blocks of state. Throws Error("INVALID_ARGUMENT") where one is missing or of another size;
/// `state` may be null.
std::vector<std::byte*> findBlocks(const Plan& plan, const State* state);

inline std::span<const std::int64_t> shapeOf(const TensorInfo& info) {
  return std::span(info.shape).first(info.rank);
}

/// For each of the plan's parameters what get(name, shape) gives, where a step reads the values: of the
/// others there may be packed forms alone.
template <class Buffer, class PreparedStep, class Get>
std::vector<Buffer> holdParameters(const Plan& plan, const std::vector<std::unique_ptr<PreparedStep>>& steps,
                                   const Get& get) {
  std::vector<Buffer> held(plan.parameters.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::vector<std::uint32_t>& inputs = plan.steps[i].inputs;
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (inputs[j] == kAbsent || !steps[i]->reads(j)) continue;
      const TensorInfo& info = plan.tensors[inputs[j]];
      if (info.storage != Storage::parameter) continue;
      const auto& [name, tensor] = plan.parameters[info.index];
      held[info.index] = get(name, shapeOf(plan.tensors[tensor]));
    }
  }
  return held;
}

/// Where the tensors of a run lie: all that a plan's addresses are relative to.
struct PlanMemory {
  std::byte* arena;
  std::span<std::byte* const> blocks;  // of the state
  std::span<std::byte* const>
      parameters;  // null where no step reads the values; a valid plan never writes them
  std::span<std::byte*const> inputs, outputs;

  std::byte* address(const TensorInfo& tensor) const {
    switch (tensor.storage) {
      case Storage::arena:
        return arena + tensor.offset;
      case Storage::parameter:
        return parameters[tensor.index];
      case Storage::input:
        return inputs[tensor.index];
      case Storage::output:
        return outputs[tensor.index];
      case Storage::state:
        return blocks[tensor.index] + tensor.offset;
    }
    return nullptr;
  }

  /// Null where a tensor is absent.
  void locate(const Plan& plan, const std::vector<std::uint32_t>& tensors,
              std::vector<std::byte*>& addresses) const {
    addresses.clear();
    for (const std::uint32_t i : tensors) {
      addresses.push_back(i == kAbsent ? nullptr : address(plan.tensors[i]));
    }
  }
};

}  // namespace ocrnet

#pragma once

// What the loaded plans of all devices do alike: find the state that the plan names, hold the parameters that
// its steps read, and tell where a tensor lies.

#include <memory>
#include <span>
#include <vector>

#include "core/error.h"
#include "plan/plan.h"
#include "runtime/at-step.h"
#include "runtime/backend.h"
#include "runtime/state.h"
#include "runtime/step-description.h"

namespace ocrnet {

/// Throws Error("UNSUPPORTED") for an operation that the device does not run.
template <class Op>
const Op& requireOp(const Op* op) {
  if (!op) throw Error("UNSUPPORTED", "is compiled away and never runs");
  return *op;
}

inline StepChoice stepChoice(const Choice& choice) {
  return {choice.algorithm, choice.name, choice.scratchBytes};
}

/// get(op, description) for each step of the plan.
template <class OpFor, class Get>
auto inspectSteps(const Plan& plan, const OpFor& opFor, const Get& get) {
  std::vector<decltype(get(*opFor(Opcode{}), StepDescription(plan, plan.steps.front())))> found;
  for (const Step& step : plan.steps) {
    found.push_back(
        atStep(step, [&] { return get(requireOp(opFor(step.opcode)), StepDescription(plan, step)); }));
  }
  return found;
}

/// One for each step. Throws Error("UNSUPPORTED") with the step's path.
template <class OpFor, class Device>
std::vector<StepChoice> choicesOf(const Plan& plan, const OpFor& opFor, const Device& device) {
  return inspectSteps(plan, opFor, [&](const auto& op, const StepDescription& step) {
    return stepChoice(op.choose(step, device));
  });
}

/// All that could be chosen, for each step.
template <class OpFor, class Device>
std::vector<std::vector<StepChoice>> candidatesOf(const Plan& plan, const OpFor& opFor,
                                                  const Device& device) {
  return inspectSteps(plan, opFor, [&](const auto& op, const StepDescription& step) {
    if (!op.candidates) return std::vector{stepChoice(op.choose(step, device))};
    std::vector<StepChoice> candidates;
    for (const Choice& choice : op.candidates(step, device)) candidates.push_back(stepChoice(choice));
    return candidates;
  });
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

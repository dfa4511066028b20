#pragma once

// What every device's operations know of a step before there is memory, and what they say of it.

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"
#include "plan/plan.h"

namespace ocrnet {

/// What an operation knows of its step before there is memory: types, shapes, strides, attributes.
class StepDescription {
 public:
  /// `inGroup`: its device is a member of a group, which it can meet when it runs.
  StepDescription(const Plan& plan, const Step& step, bool inGroup = false)
      : plan_(plan), step_(step), inGroup_(inGroup) {}

  /// Null where an optional input, or an output that nobody reads, is absent.
  const TensorInfo* input(std::size_t i) const { return tensor(step_.inputs[i]); }
  const TensorInfo* output(std::size_t i) const { return tensor(step_.outputs[i]); }
  std::size_t inputCount() const { return step_.inputs.size(); }
  template <class A>
  const A& attributes() const {
    return std::get<A>(step_.attributes);
  }
  const Step& step() const { return step_; }
  bool inGroup() const { return inGroup_; }
  const std::string& parameterName(const TensorInfo& parameter) const {
    return plan_.parameters[parameter.index].name;
  }

 private:
  const TensorInfo* tensor(std::uint32_t i) const { return i == kAbsent ? nullptr : &plan_.tensors[i]; }

  const Plan& plan_;
  const Step& step_;
  bool inGroup_;
};

/// An algorithm for a step and the scratch memory that it needs (64-byte aligned, from the plan's arena).
struct Choice {
  std::uint32_t algorithm = 0;
  const char* name = "direct";
  std::size_t scratchBytes = 0;
};

/// Throws Error("INVALID_PLAN") unless the plan asks for the only algorithm and gives it the scratch that it
/// needs.
void requireChoice(const StepDescription& step, const Choice& choice);

/// For steps that meet the group's other devices. Throws Error("INVALID_ARGUMENT").
void requireGroup(const StepDescription& step);

}  // namespace ocrnet

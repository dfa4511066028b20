#pragma once

#include <memory>
#include <span>

#include "cpu/device.h"
#include "plan/plan.h"
#include "runtime/group.h"
#include "runtime/weights.h"

namespace ocrnet::cpu {

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

/// The tensors and scratch of one execution, in the order of the step's inputs and outputs; null where
/// absent.
struct StepMemory {
  std::span<std::byte* const> inputs;
  std::span<std::byte* const> outputs;
  std::byte* scratch;
  const Meetings* group = nullptr;  // there where the step was prepared in a group

  template <class T>
  const T* in(std::size_t i) const {
    return reinterpret_cast<const T*>(inputs[i]);
  }
  template <class T>
  T* out(std::size_t i) const {
    return reinterpret_cast<T*>(outputs[i]);
  }
};

/// A step with everything that can be made ahead: primitives, packed filters. Runs on the device's thread
/// alone.
class PreparedStep {
 public:
  virtual ~PreparedStep() = default;
  virtual void run(const StepMemory& memory) = 0;
  /// Whether `run` reads this input's memory; where not, it may be given null.
  virtual bool reads(std::size_t /*input*/) const { return true; }
};

/// One operation on the CPU. Its steps were validated: shapes and types fit the schema's rules.
struct Op {
  /// The algorithm for a step; throws Error("UNSUPPORTED") with a reason where there is none.
  Choice (*choose)(const StepDescription&, const Device&);
  /// The plan is untrusted: throws Error("INVALID_PLAN") unless the step's algorithm is one of the
  /// operation's own for such tensors and has the scratch that it needs.
  std::unique_ptr<PreparedStep> (*prepare)(const StepDescription&, const Device&, Weights&);
};

// One for each executable operation, defined in ops/<operation>.cpp: a missing body is a link error.
#define OCRNET_DECLARE_OP(name) extern const Op name##Op;
OCRNET_EXECUTABLE_OPS(OCRNET_DECLARE_OP)
#undef OCRNET_DECLARE_OP

/// Null for operations that are compiled away.
const Op* opFor(Opcode opcode);

}  // namespace ocrnet::cpu

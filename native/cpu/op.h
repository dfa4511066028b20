#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cpu/device.h"
#include "runtime/group.h"
#include "runtime/op-registry.h"
#include "runtime/step-description.h"
#include "runtime/weights.h"

namespace ocrnet::cpu {

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
  /// All algorithms for a step, where there is more than one kind of them; may be null.
  std::vector<Choice> (*candidates)(const StepDescription&, const Device&) = nullptr;
};

OCRNET_DECLARE_OPS

/// Null for operations that are compiled away.
const Op* opFor(Opcode opcode);

}  // namespace ocrnet::cpu

// The second half of validation: every byte that a step touches lies in the arena or in a binding, what a
// step reads was written before and not overwritten since, and what it writes hits nothing that it reads.

#include <algorithm>
#include <string>

#include "core/aligned-buffer.h"
#include "core/error.h"
#include "plan/region.h"
#include "plan/validate.h"

namespace ocrnet {

namespace {

constexpr std::uint64_t kMaxArenaBytes = std::uint64_t{1} << 40;

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error("INVALID_PLAN", where + ": " + what);
}

void checkBounds(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment, const Plan& plan,
                 const std::string& where) {
  if (offset % alignment != 0) {
    fail(where, "expected an offset divisible by " + std::to_string(alignment) + ", received " +
                    std::to_string(offset));
  }
  if (offset > plan.arenaBytes || bytes > plan.arenaBytes - offset) {
    fail(where, "expected to end within the arena of " + std::to_string(plan.arenaBytes) +
                    " bytes, received " + std::to_string(offset) + " + " + std::to_string(bytes));
  }
}

/// Whether both lie in the arena, in one block of state or in one output.
bool sameRoom(const TensorInfo& a, const TensorInfo& b) {
  if (a.storage != b.storage) return false;
  if (a.storage == Storage::arena) return true;
  return (a.storage == Storage::state || a.storage == Storage::output) && a.index == b.index;
}

bool sameMemory(const TensorInfo& a, const TensorInfo& b) {
  return sameRoom(a, b) && a.offset == b.offset && a.pixelStride == b.pixelStride &&
         a.dataType == b.dataType && a.rank == b.rank && a.shape == b.shape;
}

/// Inputs and parameters each have memory of their own.
bool overlap(const Plan& plan, std::uint32_t a, std::uint32_t b) {
  const TensorInfo& first = plan.tensors[a];
  const TensorInfo& second = plan.tensors[b];
  if (!sameRoom(first, second)) return a == b;
  return overlap(regionOf(first), regionOf(second));
}

Region scratchOf(const Step& step) {
  const auto bytes = static_cast<std::int64_t>(step.scratchBytes);
  return {static_cast<std::int64_t>(step.scratchOffset), bytes, bytes, 1};
}

/// Follows the steps and knows which tensors hold their values.
class Liveness {
 public:
  explicit Liveness(const Plan& plan)
      : plan_(plan), states_(plan.tensors.size(), State::untouched), changed_(plan.tensors.size()) {}

  /// Whether a tensor has its value. One that no step writes under its own number is a view: of its slices,
  /// or of something wider.
  bool holds(std::uint32_t tensor) const {
    const TensorInfo& info = plan_.tensors[tensor];
    if (info.storage == Storage::parameter || info.storage == Storage::input) return true;
    return holdsItself(tensor) || (states_[tensor] == State::untouched && coveredBySlices(info));
  }

  bool wasWritten(std::uint32_t tensor) const { return states_[tensor] != State::untouched; }

  void write(std::uint32_t tensor) {
    overwrite(plan_.tensors[tensor], regionOf(plan_.tensors[tensor]));
    states_[tensor] = State::written;
  }

  /// A tensor that a step wrote over with the same values.
  void restore(std::uint32_t tensor) {
    if (states_[tensor] == State::lost) states_[tensor] = State::written;
  }

  /// What lay in that region of the arena is lost.
  void overwrite(const Region& region) {
    TensorInfo anywhere{};
    anywhere.storage = Storage::arena;
    overwrite(anywhere, region);
  }

 private:
  /// What lay in a region of the room that `tensor` lies in is lost.
  void overwrite(const TensorInfo& tensor, const Region& region) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!sameRoom(plan_.tensors[i], tensor) || !overlap(regionOf(plan_.tensors[i]), region)) continue;
      if (states_[i] == State::written) states_[i] = State::lost;
      changed_[i] = true;
    }
  }

  /// Whether a tensor in the arena or the state has its value under its own number: because a step wrote it,
  /// or because it lies in state that no step of this run has changed.
  bool holdsItself(std::size_t tensor) const {
    if (states_[tensor] != State::untouched) return states_[tensor] == State::written;
    return plan_.tensors[tensor].storage == Storage::state && !changed_[tensor];
  }

  bool coveredBySlices(const TensorInfo& info) const {
    const Region whole = regionOf(info);
    std::vector<RowPart> parts;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const TensorInfo& other = plan_.tensors[i];
      if (!holdsItself(i) || !sameRoom(other, info) || other.dataType != info.dataType) continue;
      if (const auto part = heldPart(whole, regionOf(other))) parts.push_back(*part);
    }
    std::ranges::sort(parts, {}, &RowPart::first);
    std::int64_t covered = 0;
    for (const RowPart& part : parts) {
      if (part.first <= covered) covered = std::max(covered, part.behind);
    }
    return covered == whole.width;
  }

  enum class State { untouched, written, lost };

  const Plan& plan_;
  std::vector<State> states_;
  std::vector<bool> changed_;  // memory that a step wrote to
};

/// Whether an input lies exactly where a concatenation would copy it to.
bool liesInConcatenation(const Plan& plan, const Step& step, std::size_t input) {
  const TensorInfo& y = plan.tensors[step.outputs[0]];
  const TensorInfo& x = plan.tensors[step.inputs[input]];
  std::int64_t channelsBefore = 0;
  for (std::size_t i = 0; i < input; ++i) {
    if (step.inputs[i] != kAbsent) channelsBefore += plan.tensors[step.inputs[i]].channels();
  }
  const auto offset = y.offset + static_cast<std::uint64_t>(channelsBefore * bytesPerElement(y.dataType));
  return x.storage == Storage::arena && y.storage == Storage::arena && x.pixelStride == y.pixelStride &&
         x.offset == offset;
}

/// Whether the operation may write its output over this input because both are the same memory, element for
/// element.
bool mayCoincide(const Plan& plan, const Step& step, const OpSchema& schema, std::size_t output,
                 std::size_t input) {
  if (schema.updates[output] == static_cast<int>(input)) {
    return sameMemory(plan.tensors[step.outputs[output]], plan.tensors[step.inputs[input]]);
  }
  if (output != 0) return false;
  if (schema.concatenatesChannels) return liesInConcatenation(plan, step, input);
  return schema.inPlaceOf == static_cast<int>(input) &&
         sameMemory(plan.tensors[step.outputs[0]], plan.tensors[step.inputs[input]]);
}

void checkOverlaps(const Plan& plan, const Step& step, const OpSchema& schema, const std::string& where) {
  for (std::size_t o = 0; o < step.outputs.size(); ++o) {
    if (step.outputs[o] == kAbsent) continue;
    const std::string output = "its output \"" + std::string(schema.outputs[o]) + "\"";
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] == kAbsent || !overlap(plan, step.outputs[o], step.inputs[i])) continue;
      if (mayCoincide(plan, step, schema, o, i)) continue;
      fail(where, output + " overlaps its input \"" + std::string(schema.inputs[i]) + "\"");
    }
    for (std::size_t other = 0; other < o; ++other) {
      if (step.outputs[other] != kAbsent && overlap(plan, step.outputs[o], step.outputs[other])) {
        fail(where, output + " overlaps its output \"" + std::string(schema.outputs[other]) + "\"");
      }
    }
  }
}

void checkScratch(const Plan& plan, const Step& step, const std::string& where) {
  checkBounds(step.scratchOffset, step.scratchBytes, kAlignment, plan, where + "'s scratch");
  if (step.scratchBytes == 0) return;
  const Region scratch = scratchOf(step);
  for (const auto* tensors : {&step.inputs, &step.outputs}) {
    for (const std::uint32_t tensor : *tensors) {
      if (tensor == kAbsent || plan.tensors[tensor].storage != Storage::arena) continue;
      if (overlap(regionOf(plan.tensors[tensor]), scratch)) {
        fail(where, "its scratch overlaps tensor " + std::to_string(tensor));
      }
    }
  }
}

void checkStep(const Plan& plan, const Step& step, Liveness& liveness) {
  const OpSchema& schema = opSchemas()[static_cast<std::size_t>(step.opcode)];
  const std::string where = step.path + ": " + std::string(schema.name);
  if (step.algorithm == kUnchosen) fail(where, "no algorithm was chosen");
  checkOverlaps(plan, step, schema, where);
  checkScratch(plan, step, where);
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i] == kAbsent || liveness.holds(step.inputs[i])) continue;
    fail(where, "its input \"" + std::string(schema.inputs[i]) + "\" was not written or was overwritten");
  }
  if (step.scratchBytes > 0) liveness.overwrite(scratchOf(step));
  for (const std::uint32_t output : step.outputs) {
    if (output == kAbsent) continue;
    if (liveness.wasWritten(output)) {
      fail(where, "writes tensor " + std::to_string(output) + " a second time");
    }
    liveness.write(output);
  }
  if (!schema.concatenatesChannels) return;
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    // It was not moved: the output holds it as it was.
    if (step.inputs[i] != kAbsent && liesInConcatenation(plan, step, i)) liveness.restore(step.inputs[i]);
  }
}

}  // namespace

ValidPlan checkMemory(TypedPlan typed) {
  const Plan& plan = typed.plan();
  if (plan.arenaBytes > kMaxArenaBytes) {
    fail("The arena", "expected at most " + std::to_string(kMaxArenaBytes) + " bytes, received " +
                          std::to_string(plan.arenaBytes));
  }
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const TensorInfo& tensor = plan.tensors[i];
    if (tensor.storage == Storage::output && tensor.offset != 0) {
      fail("tensor " + std::to_string(i),
           "expected to lie at the start of its output, received an offset of " +
               std::to_string(tensor.offset));
    }
    if (tensor.storage != Storage::arena) continue;
    const auto alignment = static_cast<std::uint64_t>(bytesPerElement(tensor.dataType));
    checkBounds(tensor.offset, static_cast<std::uint64_t>(tensor.spanBytes()), alignment, plan,
                "tensor " + std::to_string(i));
  }
  Liveness liveness(plan);
  for (const Step& step : plan.steps) checkStep(plan, step, liveness);
  for (const auto& [name, tensor] : plan.outputs) {
    if (!liveness.holds(tensor)) fail("output \"" + name + "\"", "is never written");
  }
  return ValidPlan(std::move(typed));
}

}  // namespace ocrnet

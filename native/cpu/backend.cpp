#include "cpu/backend.h"

#include <omp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "core/error.h"
#include "cpu/op.h"
#include "runtime/at-step.h"

namespace ocrnet::cpu {

namespace {

/// So much nicer than the event loop that it answers while all cores compute.
constexpr int kNiceness = 5;

const Op& executableOp(const Step& step) {
  if (const Op* op = opFor(step.opcode)) return *op;
  throw Error("UNSUPPORTED", "is compiled away and never runs");
}

class CpuExecutable final : public Executable {
 public:
  CpuExecutable(ValidPlan plan, std::shared_ptr<Weights> weights, std::shared_ptr<State> state,
                std::unique_ptr<Membership> place, const Device& device, Arena& arena)
      : plan_(std::move(plan)),
        weights_(std::move(weights)),
        state_(std::move(state)),
        place_(std::move(place)),
        arena_(arena, plan_.plan().arenaBytes) {
    const Plan& checked = plan_.plan();
    for (const StateBlock& block : checked.states) blocks_.push_back(findBlock(block));
    for (const auto& [name, tensor] : checked.parameters) weights_->require(name, shapeOf(tensor));
    for (const Step& step : checked.steps) {
      steps_.push_back(atStep(step, [&] {
        const StepDescription description(checked, step, place_ != nullptr);
        return executableOp(step).prepare(description, device, *weights_);
      }));
    }
    holdParameters();
  }

  void run(const RunArguments& arguments) override {
    if (arguments.repeatMs.empty()) return runOnce(arguments);
    for (double& ms : arguments.repeatMs) {
      const auto start = std::chrono::steady_clock::now();
      runOnce(arguments);
      ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
  }

 private:
  void runOnce(const RunArguments& arguments) {
    std::byte* const arena = arena_.data();
    const auto meetings = place_ ? std::optional<Meetings>({*place_, arguments.cancellation}) : std::nullopt;
    std::vector<std::byte*> inputs, outputs;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      arguments.cancellation.check();
      const Step& step = plan_.plan().steps[i];
      locate(step.inputs, arguments, arena, inputs);
      locate(step.outputs, arguments, arena, outputs);
      const auto start = std::chrono::steady_clock::now();
      atStep(step, [&] {
        steps_[i]->run({inputs, outputs, arena + step.scratchOffset, meetings ? &*meetings : nullptr});
      });
      if (arguments.stepMs.empty()) continue;
      arguments.stepMs[i] =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
  }

  std::span<const std::int64_t> shapeOf(std::uint32_t tensor) const {
    const TensorInfo& info = plan_.plan().tensors[tensor];
    return std::span(info.shape).first(info.rank);
  }

  std::byte* findBlock(const StateBlock& block) const {
    if (!state_)
      throw Error("INVALID_ARGUMENT", "The plan needs state \"" + block.name + "\", received none");
    const auto [data, elements] = state_->block(block.name);
    if (elements != block.elements) {
      throw Error("INVALID_ARGUMENT", "State \"" + block.name + "\": expected " +
                                          std::to_string(block.elements) + " elements, received " +
                                          std::to_string(elements));
    }
    return data;
  }

  /// Those that a step reads as they are; of the others the weights may keep packed forms alone.
  void holdParameters() {
    const Plan& plan = plan_.plan();
    parameters_.resize(plan.parameters.size());
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const std::vector<std::uint32_t>& inputs = plan.steps[i].inputs;
      for (std::size_t j = 0; j < inputs.size(); ++j) {
        if (inputs[j] == kAbsent || !steps_[i]->reads(j)) continue;
        const TensorInfo& info = plan.tensors[inputs[j]];
        if (info.storage != Storage::parameter) continue;
        const auto& [name, tensor] = plan.parameters[info.index];
        parameters_[info.index] = weights_->values(name, shapeOf(tensor));
      }
    }
  }

  void locate(const std::vector<std::uint32_t>& tensors, const RunArguments& arguments, std::byte* arena,
              std::vector<std::byte*>& addresses) const {
    addresses.clear();
    for (const std::uint32_t i : tensors) {
      addresses.push_back(i == kAbsent ? nullptr : address(plan_.plan().tensors[i], arguments, arena));
    }
  }

  std::byte* address(const TensorInfo& tensor, const RunArguments& arguments, std::byte* arena) const {
    switch (tensor.storage) {
      case Storage::arena:
        return arena + tensor.offset;
      case Storage::parameter:
        // A valid plan never writes it.
        return parameters_[tensor.index] ? parameters_[tensor.index]->data() : nullptr;
      case Storage::input:
        return arguments.inputs[tensor.index];
      case Storage::output:
        return arguments.outputs[tensor.index];
      case Storage::state:
        return blocks_[tensor.index] + tensor.offset;
    }
    return nullptr;
  }

  ValidPlan plan_;
  std::shared_ptr<Weights> weights_;
  std::shared_ptr<State> state_;       // may be null
  std::vector<std::byte*> blocks_;     // of the state
  std::unique_ptr<Membership> place_;  // may be null
  Arena::Reservation arena_;
  std::vector<Weights::Buffer> parameters_;  // null where no step reads the values
  std::vector<std::unique_ptr<PreparedStep>> steps_;
};

}  // namespace

std::vector<StepChoice> CpuBackend::inspect(const TypedPlan& typed) const {
  const Plan& plan = typed.plan();
  std::vector<StepChoice> choices;
  for (const Step& step : plan.steps) {
    const Choice choice =
        atStep(step, [&] { return executableOp(step).choose(StepDescription(plan, step), device_); });
    choices.push_back({choice.algorithm, choice.name, choice.scratchBytes});
  }
  return choices;
}

void CpuBackend::startThread() {
  omp_set_num_threads(device_.threads);
  // OpenMP's workers are started by this thread and inherit its niceness. Where it may not be set, all runs
  // as before.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
}

std::unique_ptr<Executable> CpuBackend::load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                             std::shared_ptr<State> state,
                                             std::unique_ptr<Membership> place) {
  return std::make_unique<CpuExecutable>(std::move(plan), std::move(weights), std::move(state),
                                         std::move(place), device_, arena_);
}

}  // namespace ocrnet::cpu

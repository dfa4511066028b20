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
#include "runtime/loaded-plan.h"

namespace ocrnet::cpu {

namespace {

/// So much nicer than the event loop that it answers while all cores compute.
constexpr int kNiceness = 5;

void requireTypes(const Plan& plan) {
  for (const TensorInfo& tensor : plan.tensors) {
    if (tensor.dataType == DataType::float16)
      throw Error("UNSUPPORTED", "The device cpu does not compute in float16: expected float32 or bfloat16");
  }
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
    blocks_ = findBlocks(checked, state_.get());
    for (const auto& [name, tensor] : checked.parameters) {
      weights_->require(name, shapeOf(checked.tensors[tensor]));
    }
    for (const Step& step : checked.steps) {
      steps_.push_back(atStep(step, [&] {
        const StepDescription description(checked, step, place_ != nullptr);
        return requireOp(opFor(step.opcode)).prepare(description, device, *weights_);
      }));
    }
    held_ = holdParameters<Weights::Buffer>(
        checked, steps_, [&](const auto& name, const auto& shape) { return weights_->values(name, shape); });
    for (const Weights::Buffer& values : held_) parameters_.push_back(values ? values->data() : nullptr);
  }

  std::unique_ptr<StartedRun> start(const RunArguments& arguments) override {
    if (arguments.repeatMs.empty()) runOnce(arguments);
    for (double& ms : arguments.repeatMs) {
      const auto start = std::chrono::steady_clock::now();
      runOnce(arguments);
      ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
    return nullptr;
  }

 private:
  void runOnce(const RunArguments& arguments) {
    const Plan& plan = plan_.plan();
    const PlanMemory memory{arena_.data(), blocks_, parameters_, arguments.inputs, arguments.outputs};
    const auto meetings = place_ ? std::optional<Meetings>({*place_, arguments.cancellation}) : std::nullopt;
    std::vector<std::byte*> inputs, outputs;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      arguments.cancellation.check();
      const Step& step = plan.steps[i];
      memory.locate(plan, step.inputs, inputs);
      memory.locate(plan, step.outputs, outputs);
      const auto start = std::chrono::steady_clock::now();
      atStep(step, [&] {
        steps_[i]->run({inputs, outputs, memory.arena + step.scratchOffset, meetings ? &*meetings : nullptr});
      });
      if (arguments.stepMs.empty()) continue;
      arguments.stepMs[i] =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
  }

  ValidPlan plan_;
  std::shared_ptr<Weights> weights_;
  std::shared_ptr<State> state_;       // may be null
  std::vector<std::byte*> blocks_;     // of the state
  std::unique_ptr<Membership> place_;  // may be null
  Arena::Reservation arena_;
  std::vector<Weights::Buffer> held_;   // null where no step reads the values
  std::vector<std::byte*> parameters_;  // of those
  std::vector<std::unique_ptr<PreparedStep>> steps_;
};

}  // namespace

std::vector<StepChoice> CpuBackend::inspect(const TypedPlan& typed) const {
  requireTypes(typed.plan());
  return choicesOf(typed.plan(), opFor, device_);
}

std::vector<std::vector<StepChoice>> CpuBackend::candidates(const TypedPlan& typed) const {
  requireTypes(typed.plan());
  return candidatesOf(typed.plan(), opFor, device_);
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
  requireTypes(plan.plan());
  return std::make_unique<CpuExecutable>(std::move(plan), std::move(weights), std::move(state),
                                         std::move(place), device_, arena_);
}

}  // namespace ocrnet::cpu

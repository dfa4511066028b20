#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plan/validate.h"
#include "runtime/cancellation.h"
#include "runtime/device-memory.h"
#include "runtime/group.h"
#include "runtime/in-flight.h"
#include "runtime/state.h"
#include "runtime/weights.h"

namespace ocrnet {

/// What a device chose for one step.
struct StepChoice {
  std::uint32_t algorithm;  // the device's own numbering
  std::string name;
  std::size_t scratchBytes;
};

/// The caller's memory for one run, in the order of the plan's bindings: dense, aligned to the element, as
/// large as the types say.
struct RunArguments {
  std::span<std::byte* const> inputs;
  std::span<std::byte* const> outputs;
  const Cancellation& cancellation;
  /// Milliseconds of each step, in the plan's order; empty where nobody asks.
  std::span<double> stepMs;
  /// With elements the plan runs once for each, on the same inputs without a pause between, and they become
  /// the milliseconds of each run on the device. For measurements; with `stepMs` it has none.
  std::span<double> repeatMs = {};
};

/// A run that the device has begun. Must not outlive its executable.
class StartedRun {
 public:
  virtual ~StartedRun() = default;
  /// Waits for the run's end and fills the outputs. Throws Error as Executable::start.
  virtual void finish() = 0;
};

/// A loaded plan with its weights. All members run on the device's thread.
class Executable {
 public:
  virtual ~Executable() = default;
  /// Begins a run; null where it is over when this returns. At most kRunsInFlight of a device's runs are
  /// started and not gone; they compute, and are to be finished, in the order of their starts. `finish` may
  /// be called on another thread. What the arguments point to lives until then.
  ///
  /// Throws Error: ABORTED, or EXECUTION_FAILED with the step's path. The outputs are then unspecified.
  virtual std::unique_ptr<StartedRun> start(const RunArguments& arguments) = 0;
  void run(const RunArguments& arguments) {
    if (const auto started = start(arguments)) started->finish();
  }
};

/// One opened device.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  /// Where its state lies. On any thread.
  virtual std::shared_ptr<DeviceMemory> memory() const = 0;
  /// A choice for each step. Runs on any thread. Throws Error("UNSUPPORTED") with the step's path.
  virtual std::vector<StepChoice> inspect(const TypedPlan& plan) const = 0;
  /// All that could be chosen for each step, the first being what others are compared with: of most steps
  /// one.
  virtual std::vector<std::vector<StepChoice>> candidates(const TypedPlan& plan) const = 0;
  /// Called on the device's thread, and on that where its runs are finished, before anything else runs there.
  virtual void startThread() = 0;
  /// On the device's thread; the result must not outlive the backend. `state`, made of
  /// this backend's memory, and `place` may be null for plans without state and without steps that meet other
  /// devices.
  virtual std::unique_ptr<Executable> load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                           std::shared_ptr<State> state,
                                           std::unique_ptr<Membership> place) = 0;
  std::unique_ptr<Executable> load(ValidPlan plan, std::shared_ptr<Weights> weights) {
    return load(std::move(plan), std::move(weights), nullptr, nullptr);
  }
  /// Bytes allocated now for the arena of all loaded plans. On any thread.
  virtual std::size_t arenaBytes() const = 0;
};

}  // namespace ocrnet

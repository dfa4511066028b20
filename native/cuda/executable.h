#pragma once

#include <array>
#include <vector>

#include "cuda/memory.h"
#include "cuda/op.h"
#include "cuda/parameters.h"
#include "cuda/pipeline.h"
#include "runtime/arena.h"
#include "runtime/backend.h"

namespace ocrnet::cuda {

/// A loaded plan. Its first run in a slot puts all steps into one graph, which later runs there start as a
/// whole; the graph is made anew when the arena or the slots, which all plans share, have moved. Steps that
/// meet the other members of a group part the plan: there is a graph up to each meeting, and one for the
/// rest.
class CudaExecutable final : public Executable {
 public:
  CudaExecutable(ValidPlan plan, std::shared_ptr<Parameters> parameters, std::shared_ptr<State> state,
                 std::unique_ptr<Membership> place, const Device& device, Pipeline& pipeline, Arena& arena);

  std::unique_ptr<StartedRun> start(const RunArguments& arguments) override;

 private:
  class Run;

  /// Where an input or output lies in a slot, one behind the other.
  struct Port {
    std::size_t offset, bytes;
  };
  /// What a run's addresses are relative to.
  struct Places {
    std::byte *arena = nullptr, *slot = nullptr;
    bool operator==(const Places&) const = default;
  };
  struct Captured {
    std::vector<GraphExecutable> parts;
    Places places;
  };

  std::vector<Port> makePorts(const std::vector<Binding>& bindings);
  void prepareMeetings();
  void acceptInputs(const RunArguments& arguments) const;
  std::vector<std::byte*> addresses(const std::vector<Port>& ports, std::byte* slot) const;
  /// use(step, its memory); errors get the step's path.
  template <class Use>
  void withStep(std::size_t i, const Places& places, std::size_t slot, const Use& use);

  std::size_t parts() const { return meetings_.size() + 1; }
  /// A part's steps in their order, with after() behind each that is complete.
  template <class After>
  void enqueuePart(std::size_t part, const Places& places, std::size_t slot, const After& after);
  /// The meeting behind a part.
  void meet(std::size_t part, const Places& places, std::size_t slot, const Cancellation& cancellation);
  const std::vector<GraphExecutable>& graphsFor(const Places& places, std::size_t slot);

  ValidPlan plan_;
  std::shared_ptr<Parameters> parameters_;
  std::shared_ptr<State> state_;       // may be null
  std::vector<std::byte*> blocks_;     // of the state
  std::unique_ptr<Membership> place_;  // may be null
  Pipeline& pipeline_;
  Arena::Reservation arena_;
  std::vector<Parameters::Buffer> held_;  // null where no step reads the values
  std::vector<std::byte*> values_;        // of those
  std::vector<std::unique_ptr<PreparedStep>> steps_;
  std::vector<std::size_t> meetings_;         // steps that meet
  std::shared_ptr<std::byte> meetingMemory_;  // pinned; one meeting is over when the next begins
  std::size_t slotBytes_ = 0;
  std::vector<Port> inputs_, outputs_;
  Pipeline::Slots slots_;
  std::array<Captured, kRunsInFlight> graphs_;
};

}  // namespace ocrnet::cuda

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
/// whole; the graph is made anew when the arena or the slots, which all plans share, have moved.
class CudaExecutable final : public Executable {
 public:
  CudaExecutable(ValidPlan plan, std::shared_ptr<Parameters> parameters, std::shared_ptr<State> state,
                 const Device& device, Pipeline& pipeline, Arena& arena);

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
    GraphExecutable graph;
    Places places;
  };

  std::vector<Port> makePorts(const std::vector<Binding>& bindings);
  void acceptInputs(const RunArguments& arguments) const;
  std::vector<std::byte*> addresses(const std::vector<Port>& ports, std::byte* slot) const;
  cudaGraphExec_t graphFor(const Places& places, std::size_t slot);
  /// Steps in their order, with after(step) behind each.
  template <class After>
  void enqueueSteps(const Places& places, std::size_t slot, const After& after);

  ValidPlan plan_;
  std::shared_ptr<Parameters> parameters_;
  std::shared_ptr<State> state_;    // may be null
  std::vector<std::byte*> blocks_;  // of the state
  Pipeline& pipeline_;
  Arena::Reservation arena_;
  std::vector<Parameters::Buffer> held_;  // null where no step reads the values
  std::vector<std::byte*> values_;        // of those
  std::vector<std::unique_ptr<PreparedStep>> steps_;
  std::size_t slotBytes_ = 0;
  std::vector<Port> inputs_, outputs_;
  Pipeline::Slots slots_;
  std::array<Captured, kRunsInFlight> graphs_;
};

}  // namespace ocrnet::cuda

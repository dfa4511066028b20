#pragma once

#include <optional>
#include <vector>

#include "cuda/memory.h"
#include "cuda/op.h"
#include "cuda/parameters.h"
#include "runtime/arena.h"
#include "runtime/backend.h"

namespace ocrnet::cuda {

/// A loaded plan. Its first run puts all steps into one graph, which later runs start as a whole; the graph
/// is made anew when the arena, which all plans share, has moved.
///
/// Inputs and outputs have a place of their own on the device, and pinned memory on the processor, so that
/// the graph's addresses stay.
class CudaExecutable final : public Executable {
 public:
  CudaExecutable(ValidPlan plan, std::shared_ptr<Parameters> parameters, std::shared_ptr<State> state,
                 const Device& device, std::shared_ptr<Stream> stream, std::shared_ptr<CudaMemory> memory,
                 Arena& arena);

  void run(const RunArguments& arguments) override;

 private:
  /// Where an input or output of the plan lies, one behind the other.
  struct Port {
    std::size_t offset, bytes;
  };
  struct Ports {
    std::vector<Port> list;
    std::shared_ptr<std::byte> device;
    std::vector<std::byte*> addresses;  // there
    PinnedMemory host;
  };

  Ports makePorts(const std::vector<Binding>& bindings, CudaMemory& memory) const;
  void acceptInputs(const RunArguments& arguments) const;
  void enqueueStep(std::size_t step, std::byte* arena);
  void capture(std::byte* arena);
  void runGraph(const RunArguments& arguments);
  void runProfiled(const RunArguments& arguments, std::byte* arena);

  ValidPlan plan_;
  std::shared_ptr<Parameters> parameters_;
  std::shared_ptr<State> state_;    // may be null
  std::vector<std::byte*> blocks_;  // of the state
  std::shared_ptr<Stream> stream_;
  Arena::Reservation arena_;
  std::vector<Parameters::Buffer> held_;  // null where no step reads the values
  std::vector<std::byte*> values_;        // of those
  std::vector<std::unique_ptr<PreparedStep>> steps_;
  Ports inputs_, outputs_;
  GraphExecutable graph_;
  std::byte* capturedArena_ = nullptr;
};

}  // namespace ocrnet::cuda

#include "cuda/executable.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/integers.h"
#include "cuda/check.h"
#include "cuda/marks.h"
#include "cuda/meeting-step.h"
#include "runtime/at-step.h"
#include "runtime/loaded-plan.h"

namespace ocrnet::cuda {

namespace {

constexpr std::size_t kPortAlignment = 256;

/// Ends a capture that an error interrupts, so that the stream can be used again.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  ~Capture() {
    if (!stream_) return;
    cudaGraph_t abandoned = nullptr;
    cudaStreamEndCapture(stream_, &abandoned);
    if (abandoned) cudaGraphDestroy(abandoned);
  }
  Graph end() {
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(std::exchange(stream_, nullptr), &graph));
    return Graph(graph);
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

/// In flight.
class CudaExecutable::Run final : public StartedRun {
 public:
  Run(CudaExecutable& executable, const RunArguments& arguments)
      : executable_(executable), arguments_(arguments), flight_(executable.pipeline_) {
    begin();
  }

  void finish() override {
    flight_.land();
    marks_.read(arguments_.stepMs.empty() ? arguments_.repeatMs : arguments_.stepMs);
    const auto& steps = executable_.steps_;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      atStep(executable_.plan_.plan().steps[i], [&] { steps[i]->verify(flight_.slot()); });
    }
    for (std::size_t i = 0; i < executable_.outputs_.size(); ++i) {
      const auto [offset, bytes] = executable_.outputs_[i];
      std::memcpy(arguments_.outputs[i], onHost_ + offset, bytes);
    }
  }

 private:
  void begin();
  void compute(const Places& places, const std::vector<GraphExecutable>* graphs);
  /// enqueue(part), with the group's meetings between.
  template <class Enqueue>
  void eachPart(const Places& places, const Enqueue& enqueue);

  CudaExecutable& executable_;
  const RunArguments arguments_;
  std::byte* onHost_ = nullptr;  // its slot
  Marks marks_{executable_.pipeline_.computeStream()};
  Pipeline::Flight flight_;  // last: what it waits for uses the others
};

void CudaExecutable::Run::begin() {
  const std::size_t slot = flight_.slot();
  const Places places{executable_.arena_.data(), executable_.slots_.onDevice(slot)};
  const bool stepwise = !arguments_.stepMs.empty();
  const auto* const graphs = stepwise ? nullptr : &executable_.graphsFor(places, slot);
  onHost_ = executable_.slots_.onHost(slot);
  for (std::size_t i = 0; i < executable_.inputs_.size(); ++i) {
    const auto [offset, bytes] = executable_.inputs_[i];
    std::memcpy(onHost_ + offset, arguments_.inputs[i], bytes);
    flight_.upload(onHost_ + offset, places.slot + offset, bytes);
  }
  compute(places, graphs);
  for (const auto& [offset, bytes] : executable_.outputs_) {
    flight_.download(places.slot + offset, onHost_ + offset, bytes);
  }
  flight_.end();
}

/// By graphs, once or as often as somebody wants the time of a run; or without, with the time of each step.
void CudaExecutable::Run::compute(const Places& places, const std::vector<GraphExecutable>* graphs) {
  const cudaStream_t stream = flight_.beginComputing();
  if (!graphs) {
    marks_.set();
    eachPart(places, [&](std::size_t part) {
      executable_.enqueuePart(part, places, flight_.slot(), [&] {
        marks_.set();
        arguments_.cancellation.check();
      });
    });
  } else {
    const auto runOnce = [&] {
      eachPart(places, [&](std::size_t part) { check(cudaGraphLaunch((*graphs)[part].get(), stream)); });
    };
    if (arguments_.repeatMs.empty()) {
      runOnce();
    } else {
      marks_.set();
      for (std::size_t i = 0; i < arguments_.repeatMs.size(); ++i) runOnce(), marks_.set();
    }
  }
  flight_.endComputing();
}

template <class Enqueue>
void CudaExecutable::Run::eachPart(const Places& places, const Enqueue& enqueue) {
  for (std::size_t part = 0; part < executable_.parts(); ++part) {
    if (part > 0) executable_.meet(part - 1, places, flight_.slot(), arguments_.cancellation);
    arguments_.cancellation.check();
    enqueue(part);
  }
}

CudaExecutable::CudaExecutable(ValidPlan plan, std::shared_ptr<Parameters> parameters,
                               std::shared_ptr<State> state, std::unique_ptr<Membership> place,
                               const Device& device, Pipeline& pipeline, Arena& arena)
    : plan_(std::move(plan)),
      parameters_(std::move(parameters)),
      state_(std::move(state)),
      place_(std::move(place)),
      pipeline_(pipeline),
      arena_(arena, plan_.plan().arenaBytes),
      inputs_(makePorts(plan_.plan().inputs)),
      outputs_(makePorts(plan_.plan().outputs)),
      slots_(pipeline, slotBytes_) {
  const Plan& checked = plan_.plan();
  blocks_ = findBlocks(checked, state_.get());
  for (const auto& [name, tensor] : checked.parameters) {
    parameters_->require(name, shapeOf(checked.tensors[tensor]));
  }
  for (const Step& step : checked.steps) {
    steps_.push_back(atStep(step, [&] {
      const StepDescription description(checked, step, place_ != nullptr);
      return requireOp(opFor(step.opcode)).prepare(description, device, *parameters_);
    }));
  }
  held_ = holdParameters<Parameters::Buffer>(
      checked, steps_, [&](const auto& name, const auto& shape) { return parameters_->values(name, shape); });
  for (const Parameters::Buffer& values : held_) values_.push_back(values.get());
  prepareMeetings();
}

void CudaExecutable::prepareMeetings() {
  std::size_t most = 0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const MeetingStep* const meeting = steps_[i]->meeting();
    if (!meeting) continue;
    meetings_.push_back(i);
    most = std::max(most, meeting->bytes());
  }
  if (most == 0) return;
  PinnedHostMemory pinned;
  meetingMemory_ = allocateForPlan(pinned, "pinned numbers that its group exchanges", most);
}

std::unique_ptr<StartedRun> CudaExecutable::start(const RunArguments& arguments) {
  arguments.cancellation.check();
  acceptInputs(arguments);
  return std::make_unique<Run>(*this, arguments);
}

/// A step that finds out later has let others run that change state.
void CudaExecutable::acceptInputs(const RunArguments& arguments) const {
  const Plan& plan = plan_.plan();
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const std::vector<std::uint32_t>& inputs = plan.steps[i].inputs;
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (inputs[j] == kAbsent || plan.tensors[inputs[j]].storage != Storage::input) continue;
      const std::byte* const values = arguments.inputs[plan.tensors[inputs[j]].index];
      atStep(plan.steps[i], [&] { steps_[i]->accept(j, values); });
    }
  }
}

const std::vector<GraphExecutable>& CudaExecutable::graphsFor(const Places& places, std::size_t slot) {
  Captured& captured = graphs_[slot];
  if (!captured.parts.empty() && captured.places == places) return captured.parts;
  captured.parts.clear();
  std::vector<GraphExecutable> made;
  for (std::size_t part = 0; part < parts(); ++part) {
    Capture capture(pipeline_.computeStream());
    enqueuePart(part, places, slot, [] {});
    const Graph graph = capture.end();
    cudaGraphExec_t executable = nullptr;
    check(cudaGraphInstantiate(&executable, graph.get(), 0));
    made.emplace_back(executable);
  }
  captured = {std::move(made), places};
  return captured.parts;
}

template <class Use>
void CudaExecutable::withStep(std::size_t i, const Places& places, std::size_t slot, const Use& use) {
  const Plan& plan = plan_.plan();
  const Step& step = plan.steps[i];
  const std::vector<std::byte*> planInputs = addresses(inputs_, places.slot),
                                planOutputs = addresses(outputs_, places.slot);
  const PlanMemory memory{places.arena, blocks_, values_, planInputs, planOutputs};
  std::vector<std::byte*> inputs, outputs;
  memory.locate(plan, step.inputs, inputs);
  memory.locate(plan, step.outputs, outputs);
  atStep(step, [&] {
    use(*steps_[i], StepMemory{inputs, outputs, places.arena + step.scratchOffset, slot});
  });
}

template <class After>
void CudaExecutable::enqueuePart(std::size_t part, const Places& places, std::size_t slot,
                                 const After& after) {
  const bool isFirst = part == 0, isLast = part == meetings_.size();
  const std::size_t first = isFirst ? 0 : meetings_[part - 1];
  const std::size_t end = isLast ? steps_.size() : meetings_[part] + 1;
  for (std::size_t i = first; i < end; ++i) {
    const bool hasMet = !isFirst && i == first, meets = !isLast && i + 1 == end;
    withStep(i, places, slot, [&](PreparedStep& step, const StepMemory& memory) {
      const cudaStream_t stream = pipeline_.computeStream();
      hasMet ? step.meeting()->enqueueRest(memory, stream) : step.enqueue(memory, stream);
    });
    if (!meets) after();
  }
}

void CudaExecutable::meet(std::size_t part, const Places& places, std::size_t slot,
                          const Cancellation& cancellation) {
  withStep(meetings_[part], places, slot, [&](PreparedStep& step, const StepMemory& memory) {
    const MeetingStep& meeting = *step.meeting();
    const auto [gives, takes] = meeting.exchange(memory);
    const std::span<std::byte> given(meetingMemory_.get(), meeting.bytes());
    const cudaStream_t stream = pipeline_.computeStream();
    check(cudaMemcpyAsync(given.data(), gives, given.size(), cudaMemcpyDeviceToHost, stream));
    check(cudaStreamSynchronize(stream));
    Meetings{*place_, cancellation}.meet(given, [&](MemberMemories all) { meeting.meet(all, *place_); });
    check(cudaMemcpyAsync(takes, given.data(), given.size(), cudaMemcpyHostToDevice, stream));
  });
}

std::vector<CudaExecutable::Port> CudaExecutable::makePorts(const std::vector<Binding>& bindings) {
  std::vector<Port> ports;
  for (const auto& [name, tensor] : bindings) {
    const auto bytes = static_cast<std::size_t>(plan_.plan().tensors[tensor].spanBytes());
    ports.push_back({slotBytes_, bytes});
    slotBytes_ += roundUp(bytes, kPortAlignment);
  }
  return ports;
}

std::vector<std::byte*> CudaExecutable::addresses(const std::vector<Port>& ports, std::byte* slot) const {
  std::vector<std::byte*> all;
  for (const Port& port : ports) all.push_back(slot + port.offset);
  return all;
}

}  // namespace ocrnet::cuda

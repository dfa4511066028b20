#include "cuda/executable.h"

#include <cstring>

#include "core/error.h"
#include "core/integers.h"
#include "cuda/check.h"
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

/// Marks in a stream, and the times between them.
class Marks {
 public:
  explicit Marks(cudaStream_t stream) : stream_(stream) {}

  void set() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, 0));
    events_.emplace_back(event);
    check(cudaEventRecord(event, stream_));
  }
  /// When the stream has come to the last: one time for each mark but the first.
  void read(std::span<double> milliseconds) const {
    for (std::size_t i = 0; i < milliseconds.size(); ++i) {
      float elapsedMs = 0;
      check(cudaEventElapsedTime(&elapsedMs, events_[i].get(), events_[i + 1].get()));
      milliseconds[i] = static_cast<double>(elapsedMs);
    }
  }

 private:
  cudaStream_t stream_;
  std::vector<Event> events_;
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
  void compute(const Places& places, cudaGraphExec_t graph);

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
  const cudaGraphExec_t graph = stepwise ? nullptr : executable_.graphFor(places, slot);
  onHost_ = executable_.slots_.onHost(slot);
  for (std::size_t i = 0; i < executable_.inputs_.size(); ++i) {
    const auto [offset, bytes] = executable_.inputs_[i];
    std::memcpy(onHost_ + offset, arguments_.inputs[i], bytes);
    flight_.upload(onHost_ + offset, places.slot + offset, bytes);
  }
  compute(places, graph);
  for (const auto& [offset, bytes] : executable_.outputs_) {
    flight_.download(places.slot + offset, onHost_ + offset, bytes);
  }
  flight_.end();
}

/// By the graph, once or as often as somebody wants the time of a run; or without, with the time of each
/// step.
void CudaExecutable::Run::compute(const Places& places, cudaGraphExec_t graph) {
  const cudaStream_t stream = flight_.beginComputing();
  arguments_.cancellation.check();
  if (!graph) {
    marks_.set();
    executable_.enqueueSteps(places, flight_.slot(), [&] {
      marks_.set();
      arguments_.cancellation.check();
    });
  } else if (arguments_.repeatMs.empty()) {
    check(cudaGraphLaunch(graph, stream));
  } else {
    marks_.set();
    for (std::size_t i = 0; i < arguments_.repeatMs.size(); ++i) {
      arguments_.cancellation.check();
      check(cudaGraphLaunch(graph, stream));
      marks_.set();
    }
  }
  flight_.endComputing();
}

CudaExecutable::CudaExecutable(ValidPlan plan, std::shared_ptr<Parameters> parameters,
                               std::shared_ptr<State> state, const Device& device, Pipeline& pipeline,
                               Arena& arena)
    : plan_(std::move(plan)),
      parameters_(std::move(parameters)),
      state_(std::move(state)),
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
      return requireOp(opFor(step.opcode)).prepare(StepDescription(checked, step), device, *parameters_);
    }));
  }
  held_ = holdParameters<Parameters::Buffer>(
      checked, steps_, [&](const auto& name, const auto& shape) { return parameters_->values(name, shape); });
  for (const Parameters::Buffer& values : held_) values_.push_back(values.get());
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

cudaGraphExec_t CudaExecutable::graphFor(const Places& places, std::size_t slot) {
  Captured& captured = graphs_[slot];
  if (captured.graph && captured.places == places) return captured.graph.get();
  Capture capture(pipeline_.computeStream());
  enqueueSteps(places, slot, [] {});
  const Graph graph = capture.end();
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph.get(), 0));
  captured = {GraphExecutable(executable), places};
  return executable;
}

template <class After>
void CudaExecutable::enqueueSteps(const Places& places, std::size_t slot, const After& after) {
  const Plan& plan = plan_.plan();
  const std::vector<std::byte*> planInputs = addresses(inputs_, places.slot),
                                planOutputs = addresses(outputs_, places.slot);
  const PlanMemory memory{places.arena, blocks_, values_, planInputs, planOutputs};
  std::vector<std::byte*> inputs, outputs;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = plan.steps[i];
    memory.locate(plan, step.inputs, inputs);
    memory.locate(plan, step.outputs, outputs);
    atStep(step, [&] {
      steps_[i]->enqueue({inputs, outputs, places.arena + step.scratchOffset, slot},
                         pipeline_.computeStream());
    });
    after();
  }
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

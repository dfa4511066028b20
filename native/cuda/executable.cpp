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
  explicit Marks(cudaStream_t stream) : stream_(stream) { set(); }

  void set() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, 0));
    events_.emplace_back(event);
    check(cudaEventRecord(event, stream_));
  }
  /// Waits; one time for each mark but the first.
  void read(std::span<double> milliseconds) const {
    check(cudaStreamSynchronize(stream_));
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

CudaExecutable::CudaExecutable(ValidPlan plan, std::shared_ptr<Parameters> parameters,
                               std::shared_ptr<State> state, const Device& device,
                               std::shared_ptr<Stream> stream, std::shared_ptr<CudaMemory> memory,
                               Arena& arena)
    : plan_(std::move(plan)),
      parameters_(std::move(parameters)),
      state_(std::move(state)),
      stream_(std::move(stream)),
      arena_(arena, plan_.plan().arenaBytes) {
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
  inputs_ = makePorts(checked.inputs, *memory);
  outputs_ = makePorts(checked.outputs, *memory);
}

void CudaExecutable::run(const RunArguments& arguments) {
  arguments.cancellation.check();
  acceptInputs(arguments);
  std::byte* const arena = arena_.data();
  for (std::size_t i = 0; i < inputs_.list.size(); ++i) {
    const auto [offset, bytes] = inputs_.list[i];
    std::memcpy(inputs_.host.data() + offset, arguments.inputs[i], bytes);
    check(cudaMemcpyAsync(inputs_.device.get() + offset, inputs_.host.data() + offset, bytes,
                          cudaMemcpyHostToDevice, stream_->get()));
  }
  if (arguments.stepMs.empty()) {
    if (!graph_ || capturedArena_ != arena) capture(arena);
    arguments.cancellation.check();
    runGraph(arguments);
  } else {
    runProfiled(arguments, arena);
  }
  for (const auto& [offset, bytes] : outputs_.list) {
    check(cudaMemcpyAsync(outputs_.host.data() + offset, outputs_.device.get() + offset, bytes,
                          cudaMemcpyDeviceToHost, stream_->get()));
  }
  check(cudaStreamSynchronize(stream_->get()));
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    atStep(plan_.plan().steps[i], [&] { steps_[i]->verify(); });
  }
  for (std::size_t i = 0; i < outputs_.list.size(); ++i) {
    const auto [offset, bytes] = outputs_.list[i];
    std::memcpy(arguments.outputs[i], outputs_.host.data() + offset, bytes);
  }
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

void CudaExecutable::capture(std::byte* arena) {
  Capture capture(stream_->get());
  for (std::size_t i = 0; i < steps_.size(); ++i) enqueueStep(i, arena);
  const Graph graph = capture.end();
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph.get(), 0));
  graph_ = GraphExecutable(executable);
  capturedArena_ = arena;
}

/// Once, or as often as somebody wants the time of a run.
void CudaExecutable::runGraph(const RunArguments& arguments) {
  if (arguments.repeatMs.empty()) {
    check(cudaGraphLaunch(graph_.get(), stream_->get()));
    return;
  }
  Marks marks(stream_->get());
  for (std::size_t i = 0; i < arguments.repeatMs.size(); ++i) {
    arguments.cancellation.check();
    check(cudaGraphLaunch(graph_.get(), stream_->get()));
    marks.set();
  }
  marks.read(arguments.repeatMs);
}

/// Without a graph, with the time between events around each step.
void CudaExecutable::runProfiled(const RunArguments& arguments, std::byte* arena) {
  Marks marks(stream_->get());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    arguments.cancellation.check();
    enqueueStep(i, arena);
    marks.set();
  }
  marks.read(arguments.stepMs);
}

void CudaExecutable::enqueueStep(std::size_t i, std::byte* arena) {
  const Plan& plan = plan_.plan();
  const Step& step = plan.steps[i];
  const PlanMemory memory{arena, blocks_, values_, inputs_.addresses, outputs_.addresses};
  std::vector<std::byte*> inputs, outputs;
  memory.locate(plan, step.inputs, inputs);
  memory.locate(plan, step.outputs, outputs);
  atStep(step, [&] { steps_[i]->enqueue({inputs, outputs, arena + step.scratchOffset}, stream_->get()); });
}

CudaExecutable::Ports CudaExecutable::makePorts(const std::vector<Binding>& bindings,
                                                CudaMemory& memory) const {
  Ports ports;
  std::size_t total = 0;
  for (const auto& [name, tensor] : bindings) {
    const auto bytes = static_cast<std::size_t>(plan_.plan().tensors[tensor].spanBytes());
    ports.list.push_back({total, bytes});
    total += roundUp(bytes, kPortAlignment);
  }
  if (total == 0) return ports;
  ports.device = allocateForPlan(memory, "inputs and outputs", total);
  for (const Port& port : ports.list) ports.addresses.push_back(ports.device.get() + port.offset);
  ports.host = PinnedMemory(total);
  return ports;
}

}  // namespace ocrnet::cuda

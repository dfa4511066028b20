#include "cuda/executable.h"

#include <cstring>

#include "core/error.h"
#include "core/integers.h"
#include "cuda/check.h"
#include "runtime/at-step.h"

namespace ocrnet::cuda {

namespace {

constexpr std::size_t kPortAlignment = 256;

const Op& executableOp(const Step& step) {
  if (const Op* op = opFor(step.opcode)) return *op;
  throw Error("UNSUPPORTED", "has no kernel for GPUs");
}

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
  for (const StateBlock& block : checked.states) blocks_.push_back(findBlock(block));
  for (const auto& [name, tensor] : checked.parameters) parameters_->require(name, shapeOf(tensor));
  for (const Step& step : checked.steps) {
    steps_.push_back(atStep(step, [&] {
      return executableOp(step).prepare(StepDescription(checked, step), device, *parameters_);
    }));
  }
  holdParameters();
  inputs_ = makePorts(checked.inputs, *memory);
  outputs_ = makePorts(checked.outputs, *memory);
}

void CudaExecutable::run(const RunArguments& arguments) {
  arguments.cancellation.check();
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
  const Step& step = plan_.plan().steps[i];
  const auto locate = [&](const std::vector<std::uint32_t>& tensors) {
    std::vector<std::byte*> addresses;
    for (const std::uint32_t tensor : tensors) {
      addresses.push_back(tensor == kAbsent ? nullptr : address(plan_.plan().tensors[tensor], arena));
    }
    return addresses;
  };
  const std::vector<std::byte*> inputs = locate(step.inputs), outputs = locate(step.outputs);
  atStep(step, [&] { steps_[i]->enqueue({inputs, outputs, arena + step.scratchOffset}, stream_->get()); });
}

std::byte* CudaExecutable::address(const TensorInfo& tensor, std::byte* arena) const {
  switch (tensor.storage) {
    case Storage::arena:
      return arena + tensor.offset;
    case Storage::parameter:
      return values_[tensor.index].get();
    case Storage::input:
      return inputs_.device.get() + inputs_.list[tensor.index].offset;
    case Storage::output:
      return outputs_.device.get() + outputs_.list[tensor.index].offset;
    case Storage::state:
      return blocks_[tensor.index] + tensor.offset;
  }
  return nullptr;
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
  ports.device = memory.allocateUninitialised(total);
  ports.host = PinnedMemory(total);
  return ports;
}

std::span<const std::int64_t> CudaExecutable::shapeOf(std::uint32_t tensor) const {
  const TensorInfo& info = plan_.plan().tensors[tensor];
  return std::span(info.shape).first(info.rank);
}

std::byte* CudaExecutable::findBlock(const StateBlock& block) const {
  if (!state_) throw Error("INVALID_ARGUMENT", "The plan needs state \"" + block.name + "\", received none");
  const auto [data, elements] = state_->block(block.name);
  if (elements != block.elements) {
    throw Error("INVALID_ARGUMENT", "State \"" + block.name + "\": expected " +
                                        std::to_string(block.elements) + " elements, received " +
                                        std::to_string(elements));
  }
  return data;
}

/// Those that a step reads as they are.
void CudaExecutable::holdParameters() {
  const Plan& plan = plan_.plan();
  values_.resize(plan.parameters.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const std::vector<std::uint32_t>& inputs = plan.steps[i].inputs;
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (inputs[j] == kAbsent || !steps_[i]->reads(j)) continue;
      const TensorInfo& info = plan.tensors[inputs[j]];
      if (info.storage != Storage::parameter) continue;
      const auto& [name, tensor] = plan.parameters[info.index];
      values_[info.index] = parameters_->values(name, shapeOf(tensor));
    }
  }
}

}  // namespace ocrnet::cuda

#include "cpu/conv/dnnl-step.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "cpu/dnnl/context.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu::conv {

namespace {

/// Offsets in the step's scratch memory.
struct Scratch {
  std::size_t x = 0, y = 0, filter = 0, bytes = 0;

  Scratch(const Problem& problem, const DnnlSchedule& schedule) {
    std::size_t scratchpad = schedule.whole->scratchpad.get_size();
    if (schedule.rest) scratchpad = std::max(scratchpad, schedule.rest->scratchpad.get_size());
    append(scratchpad);
    if (problem.inputIsSlice()) x = append(schedule.whole->x.get_size());
    if (problem.outputIsSlice()) y = append(schedule.whole->y.get_size());
    if (!problem.filterIsParameter) filter = append(schedule.whole->filter.get_size());
  }

 private:
  std::size_t append(std::size_t size) {
    const std::size_t offset = bytes;
    bytes += (size + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  }
};

constexpr std::int64_t kCopyGrainBytes = 32 << 10;

/// Rows of bytes, `stride` apart.
struct Rows {
  std::byte* data;
  std::size_t stride;
};

void copyRows(Rows from, Rows to, std::size_t bytes, std::int64_t count, int threads) {
  if (from.data == to.data) return;
  parallel(threads, count, kCopyGrainBytes / static_cast<std::int64_t>(bytes), [=](Range range, int) {
    for (std::int64_t i = range.first; i < range.end; ++i) {
      std::memcpy(to.data + i * to.stride, from.data + i * from.stride, bytes);
    }
  });
}

dnnl::memory unbound(const dnnl::memory::desc& layout) { return {layout, dnnlEngine(), nullptr}; }

/// A kernel with its own oneDNN memory objects, whose addresses change from run to run.
class Execution {
 public:
  explicit Execution(std::shared_ptr<const DnnlKernel> kernel)
      : kernel_(std::move(kernel)),
        arguments_{{DNNL_ARG_SRC, unbound(kernel_->x)},
                   {DNNL_ARG_WEIGHTS, unbound(kernel_->filter)},
                   {DNNL_ARG_DST, unbound(kernel_->y)},
                   {DNNL_ARG_SCRATCHPAD, unbound(kernel_->scratchpad)}} {
    if (!kernel_->bias.is_zero()) arguments_.emplace(DNNL_ARG_BIAS, unbound(kernel_->bias));
  }

  void run(const std::byte* x, const std::byte* filter, const float* bias, std::byte* y,
           std::byte* scratchpad) {
    const auto bind = [this](int argument, const void* data) {
      arguments_.at(argument).set_data_handle(const_cast<void*>(data));
    };
    bind(DNNL_ARG_SRC, x);
    // Its padding gets zeroed by set_data_handle each time, so bind it only where it moved.
    if (arguments_.at(DNNL_ARG_WEIGHTS).get_data_handle() != filter) bind(DNNL_ARG_WEIGHTS, filter);
    bind(DNNL_ARG_DST, y);
    bind(DNNL_ARG_SCRATCHPAD, scratchpad);
    if (!kernel_->bias.is_zero()) bind(DNNL_ARG_BIAS, bias);
    kernel_->primitive.execute(dnnlStream(), arguments_);
  }

 private:
  std::shared_ptr<const DnnlKernel> kernel_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

PackedFilter::Pack reorderTo(std::shared_ptr<const DnnlKernel> kernel) {
  return [kernel](const float* filter, std::byte* packed) {
    dnnl::memory from(kernel->plainFilter, dnnlEngine(), const_cast<float*>(filter));
    dnnl::memory to(kernel->filter, dnnlEngine(), packed);
    dnnl::reorder(from, to).execute(dnnlStream(), from, to);
  };
}

class DnnlStep : public PreparedStep {
 public:
  DnnlStep(const Problem& problem, const DnnlSchedule& schedule, const StepDescription& description,
           const Device& device, Weights& weights)
      : problem_(problem),
        schedule_(schedule),
        scratch_(problem, schedule),
        threads_(device.threads),
        whole_(schedule.whole),
        filter_(description, weights, layoutName(schedule.whole->filter), schedule.whole->filter.get_size(),
                reorderTo(schedule.whole)) {
    if (schedule.rest) rest_.emplace(schedule.rest);
  }

  void run(const StepMemory& memory) override {
    const ThreadScope scope(threads_);
    const Convolution& c = problem_.convolution;
    const std::byte* filter = filter_.get(memory, memory.scratch + scratch_.filter);
    const std::int64_t pixels = c.outputPixels();
    for (std::int64_t first = 0, input = 0; first < pixels;
         first += schedule_.outputPixels, input += schedule_.inputPixels) {
      runPart(memory, filter, input, std::min(schedule_.inputPixels, c.inputPixels() - input), first,
              std::min(schedule_.outputPixels, pixels - first));
    }
  }

 private:
  void runPart(const StepMemory& memory, const std::byte* filter, std::int64_t firstInput,
               std::int64_t inputs, std::int64_t firstOutput, std::int64_t outputs) {
    const Convolution& c = problem_.convolution;
    const std::size_t inputElement = bytesPerElement(c.inputType),
                      outputElement = bytesPerElement(c.outputType);
    const std::size_t inputBytes = c.channelsIn * inputElement, outputBytes = c.channelsOut * outputElement;

    const std::size_t xStride = problem_.inputPixelStride * inputElement;
    const Rows x{memory.inputs[kX] + firstInput * xStride, xStride};
    const Rows denseX{problem_.inputIsSlice() ? memory.scratch + scratch_.x : x.data, inputBytes};
    copyRows(x, denseX, inputBytes, inputs, threads_);

    const std::size_t yStride = problem_.outputPixelStride * outputElement;
    const Rows y{memory.outputs[0] + firstOutput * yStride, yStride};
    const Rows denseY{problem_.outputIsSlice() ? memory.scratch + scratch_.y : y.data, outputBytes};
    if (c.residual) {  // oneDNN adds to what lies in y
      const std::size_t stride = problem_.residualPixelStride * outputElement;
      copyRows({memory.inputs[kResidual] + firstOutput * stride, stride}, denseY, outputBytes, outputs,
               threads_);
    }

    Execution& execution = outputs == schedule_.outputPixels ? whole_ : *rest_;
    execution.run(denseX.data, filter, memory.in<float>(kBias), denseY.data, memory.scratch);
    copyRows(denseY, y, outputBytes, outputs, threads_);
  }

  const Problem problem_;
  const DnnlSchedule schedule_;
  const Scratch scratch_;
  const int threads_;
  Execution whole_;
  std::optional<Execution> rest_;
  const PackedFilter filter_;
};

}  // namespace

std::size_t scratchBytes(const Problem& problem, const DnnlSchedule& schedule) {
  return Scratch(problem, schedule).bytes;
}

std::unique_ptr<PreparedStep> makeDnnlStep(const Problem& problem, const DnnlSchedule& schedule,
                                           const StepDescription& description, const Device& device,
                                           Weights& weights) {
  return std::make_unique<DnnlStep>(problem, schedule, description, device, weights);
}

}  // namespace ocrnet::cpu::conv

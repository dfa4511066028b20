// Both gradients of any convolution by oneDNN's backward passes, which want dense tensors: slices are copied.
//
// oneDNN adds nothing to an input gradient, so that one with a residual is computed in scratch memory and
// added on the way out, wherever the residual lies.

#include <cstring>

#include "cpu/conv/algorithm.h"
#include "cpu/conv/dnnl-execution.h"
#include "cpu/conv/dnnl-filter.h"
#include "cpu/conv/packed-filter.h"
#include "cpu/dnnl/context.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu::conv {

namespace {

/// Pieces of the scratch memory, one behind the other; those that are not needed are empty.
struct Scratch {
  std::size_t x, y, filter, bytes;

  Scratch(const DnnlKernel& kernel, bool denseX, bool denseY, bool filterToo)
      : x(aligned(kernel.scratchpad.get_size())),
        y(x + (denseX ? aligned(kernel.x.get_size()) : 0)),
        filter(y + (denseY ? aligned(kernel.y.get_size()) : 0)),
        bytes(filter + (filterToo ? aligned(kernel.filter.get_size()) : 0)) {}
};

double copyCost(const Problem& problem, bool x, bool y) {
  const Convolution& c = problem.convolution;
  const double bytes =
      4.0 * ((x ? c.inputPixels() * c.channelsIn : 0) + (y ? c.outputPixels() * c.channelsOut : 0));
  return bytes * kCostPerCopiedByte;
}

/// Measured on Zen 4: oneDNN's backward passes lose some percent against its forward convolutions, more so
/// filters' gradients with strides, which reach between 30 and 95 % of that.
constexpr double kBackwardSlowdown = 1.05, kStridedFilterSlowdown = 1.2;

/// Without a kernel of its own for depthwise convolutions, as for dilated ones, a channel's products fill one
/// lane of a vector.
constexpr double kUnfilledSlowdown = 10;

double filterSlowdown(const Problem& problem, const DnnlKernel& kernel) {
  const Convolution& c = problem.convolution;
  if (c.groups > 1 && c.groups == c.channelsIn && kernel.implementation.find("dw") == std::string::npos)
    return kUnfilledSlowdown;
  return c.stride > 1 ? kStridedFilterSlowdown : 1;
}

double kernelCost(const Problem& problem, const DnnlKernel& kernel, double slowdown) {
  return problem.convolution.flops() * (kernel.isReference() ? kReferenceSlowdown : slowdown);
}

bool supports(const Problem&, const Device&) { return true; }

bool copiesInputGradient(const Problem& problem) {
  return problem.inputIsSlice() || problem.convolution.residual;
}

std::shared_ptr<const DnnlKernel> inputKernel(const Problem& problem, const Device& device) {
  Convolution plain = problem.convolution;
  plain.residual = false;
  return inputGradientKernel(plain, device.threads);
}

Scratch inputScratch(const Problem& problem, const DnnlKernel& kernel) {
  return {kernel, copiesInputGradient(problem), problem.outputIsSlice(), !problem.filterIsParameter};
}

Packing packing(const Problem& problem, const dnnl::memory::desc& layout, int threads) {
  return {
      .layout = layoutName(layout),
      .bytes = layout.get_size(),
      .pack = [=](const float* filter,
                  std::byte* packed) { packDnnlFilter(problem, layout, filter, packed, threads); },
      .unpack = [=](const std::byte* packed,
                    float* filter) { unpackDnnlFilter(problem, layout, packed, filter, threads); },
  };
}

/// y densely packed: where it lies, or copied to `scratch`.
const std::byte* denseOutput(const Problem& problem, std::byte* dy, std::byte* scratch, int threads) {
  if (!problem.outputIsSlice()) return dy;
  const Convolution& c = problem.convolution;
  const std::size_t bytes = c.channelsOut * sizeof(float);
  copyRows({dy, problem.outputPixelStride * sizeof(float)}, {scratch, bytes}, bytes, c.outputPixels(),
           threads);
  return scratch;
}

class InputGradientStep final : public PreparedStep {
 public:
  InputGradientStep(const Problem& problem, const StepDescription& description, const Device& device,
                    Weights& weights)
      : problem_(problem),
        threads_(device.threads),
        kernel_(inputKernel(problem, device)),
        scratch_(inputScratch(problem, *kernel_)),
        execution_(kernel_, kInputGradientArguments),
        filter_(description, weights, packing(problem, kernel_->filter, device.threads)) {}

  bool reads(std::size_t input) const override { return input != kFilter || !filter_.isKept(); }

  void run(const StepMemory& memory) override {
    const ThreadScope scope(threads_);
    const std::byte* filter = filter_.get(memory, memory.scratch + scratch_.filter);
    const std::byte* dy = denseOutput(problem_, memory.inputs[0], memory.scratch + scratch_.y, threads_);
    std::byte* const dx = copiesInputGradient(problem_) ? memory.scratch + scratch_.x : memory.outputs[0];
    execution_.run(dx, filter, nullptr, dy, memory.scratch);
    if (copiesInputGradient(problem_)) {
      addResidual(reinterpret_cast<const float*>(dx), memory.in<float>(2), memory.out<float>(0));
    }
  }

 private:
  void addResidual(const float* dense, const float* residual, float* dx) const {
    const Convolution& c = problem_.convolution;
    parallel(threads_, c.inputPixels(), kGrainElements / c.channelsIn, [&](Range range, int) {
      for (std::int64_t pixel = range.first; pixel < range.end; ++pixel) {
        const float* const from = dense + pixel * c.channelsIn;
        float* const to = dx + pixel * problem_.inputPixelStride;
        if (!c.residual) {
          std::memcpy(to, from, c.channelsIn * sizeof(float));
          continue;
        }
        const float* const other = residual + pixel * problem_.residualPixelStride;
        for (std::int64_t i = 0; i < c.channelsIn; ++i) to[i] = from[i] + other[i];
      }
    });
  }

  static constexpr std::int64_t kGrainElements = 8 << 10;

  const Problem problem_;
  const int threads_;
  const std::shared_ptr<const DnnlKernel> kernel_;
  const Scratch scratch_;
  DnnlExecution execution_;
  const PackedFilter filter_;
};

Estimate estimateInputGradient(const Problem& problem, const Device& device) {
  const auto kernel = inputKernel(problem, device);
  return {
      .name = "onednn " + kernel->implementation,
      .cost = kernelCost(problem, *kernel, kBackwardSlowdown) +
              copyCost(problem, copiesInputGradient(problem), problem.outputIsSlice()),
      .scratchBytes = inputScratch(problem, *kernel).bytes,
  };
}

std::unique_ptr<PreparedStep> prepareInputGradient(const Problem& problem, const StepDescription& description,
                                                   const Device& device, Weights& weights) {
  return std::make_unique<InputGradientStep>(problem, description, device, weights);
}

Scratch filterScratch(const Problem& problem, const DnnlKernel& kernel) {
  return {kernel, problem.inputIsSlice(), problem.outputIsSlice(), true};
}

class FilterGradientStep final : public PreparedStep {
 public:
  FilterGradientStep(const Problem& problem, const Device& device)
      : problem_(problem),
        threads_(device.threads),
        kernel_(filterGradientKernel(problem.convolution, device.threads)),
        scratch_(filterScratch(problem, *kernel_)),
        execution_(kernel_, kFilterGradientArguments) {}

  void run(const StepMemory& memory) override {
    const ThreadScope scope(threads_);
    const Convolution& c = problem_.convolution;
    const std::byte* x = memory.inputs[0];
    if (problem_.inputIsSlice()) {
      const std::size_t bytes = c.channelsIn * sizeof(float);
      std::byte* const dense = memory.scratch + scratch_.x;
      copyRows({memory.inputs[0], problem_.inputPixelStride * sizeof(float)}, {dense, bytes}, bytes,
               c.inputPixels(), threads_);
      x = dense;
    }
    const std::byte* dy = denseOutput(problem_, memory.inputs[1], memory.scratch + scratch_.y, threads_);
    std::byte* const packed = memory.scratch + scratch_.filter;
    execution_.run(x, packed, nullptr, dy, memory.scratch);
    unpackDnnlFilter(problem_, kernel_->filter, packed, memory.out<float>(0), threads_);
  }

 private:
  const Problem problem_;
  const int threads_;
  const std::shared_ptr<const DnnlKernel> kernel_;
  const Scratch scratch_;
  DnnlExecution execution_;
};

Estimate estimateFilterGradient(const Problem& problem, const Device& device) {
  const auto kernel = filterGradientKernel(problem.convolution, device.threads);
  return {
      .name = "onednn " + kernel->implementation,
      .cost = kernelCost(problem, *kernel, filterSlowdown(problem, *kernel)) +
              copyCost(problem, problem.inputIsSlice(), problem.outputIsSlice()),
      .scratchBytes = filterScratch(problem, *kernel).bytes,
  };
}

std::unique_ptr<PreparedStep> prepareFilterGradient(const Problem& problem, const StepDescription&,
                                                    const Device& device, Weights&) {
  return std::make_unique<FilterGradientStep>(problem, device);
}

}  // namespace

const Algorithm onednnInputGradient{supports, estimateInputGradient, prepareInputGradient};
const Algorithm onednnFilterGradient{supports, estimateFilterGradient, prepareFilterGradient};

}  // namespace ocrnet::cpu::conv

#include "cpu/conv/dnnl-step.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/conv/algorithm.h"
#include "cpu/conv/dnnl-execution.h"
#include "cpu/conv/dnnl-filter.h"
#include "cpu/dnnl/context.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu::conv {

namespace {

/// Offsets in the step's scratch memory.
class Scratch {
 public:
  Scratch(const Problem& problem, const DnnlSchedule& schedule) {
    std::size_t scratchpad = schedule.piece->scratchpad.get_size();
    if (schedule.rest) scratchpad = std::max(scratchpad, schedule.rest->scratchpad.get_size());
    x_ = aligned(scratchpad);
    y_ = x_ + (problem.inputIsSlice() ? aligned(schedule.piece->x.get_size()) : 0);
    workerBytes_ = y_ + (problem.outputIsSlice() ? aligned(schedule.piece->y.get_size()) : 0);
    filter_ = schedule.workers * workerBytes_;
    bytes_ = filter_ + (problem.filterIsParameter ? 0 : aligned(schedule.piece->filter.get_size()));
  }

  std::size_t scratchpad(int worker) const { return worker * workerBytes_; }
  std::size_t x(int worker) const { return worker * workerBytes_ + x_; }
  std::size_t y(int worker) const { return worker * workerBytes_ + y_; }
  std::size_t filter() const { return filter_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t x_, y_, workerBytes_, filter_, bytes_;
};

Packing packing(const Problem& problem, const dnnl::memory::desc& layout, int threads) {
  Packing packing{
      .layout = layoutName(layout) + (problem.filterIsTransposed ? ", transposed" : ""),
      .bytes = layout.get_size(),
      .pack = [=](const float* filter,
                  std::byte* packed) { packDnnlFilter(problem, layout, filter, packed, threads); },
      .unpack = nullptr,
  };
  if (problem.convolution.inputType == DataType::float32) {
    packing.unpack = [=](const std::byte* packed, float* filter) {
      unpackDnnlFilter(problem, layout, packed, filter, threads);
    };
  }
  return packing;
}

class DnnlStep final : public PreparedStep {
 public:
  DnnlStep(const Problem& problem, const DnnlSchedule& schedule, const StepDescription& description,
           const Device& device, Weights& weights)
      : problem_(problem),
        schedule_(schedule),
        scratch_(problem, schedule),
        threads_(device.threads),
        filter_(description, weights, packing(problem, schedule.piece->filter, device.threads)) {
    for (int worker = 0; worker < schedule.workers; ++worker) {
      pieces_.emplace_back(schedule.piece, kForwardArguments);
      if (schedule.rest) rests_.emplace_back(schedule.rest, kForwardArguments);
    }
  }

  bool reads(std::size_t input) const override { return input != kFilter || !filter_.isKept(); }

  void run(const StepMemory& memory) override {
    const std::byte* filter = filter_.get(memory, memory.scratch + scratch_.filter());
    const std::int64_t outputs = problem_.convolution.outputPixels();
    const std::int64_t pieces = divideUp(outputs, schedule_.outputPixels);
    const auto runPieces = [&](Range range, int worker) {
      for (std::int64_t piece = range.first; piece < range.end; ++piece)
        runPiece(memory, filter, piece, worker);
    };
    if (schedule_.workers > 1) {
      parallel(schedule_.workers, pieces, 1, runPieces);
    } else {
      const ThreadScope scope(threads_);
      runPieces({0, pieces}, 0);
    }
  }

 private:
  void runPiece(const StepMemory& memory, const std::byte* filter, std::int64_t piece, int worker) {
    const Convolution& c = problem_.convolution;
    const std::int64_t firstInput = piece * schedule_.inputPixels,
                       firstOutput = piece * schedule_.outputPixels;
    const std::int64_t inputs = std::min(schedule_.inputPixels, c.inputPixels() - firstInput);
    const std::int64_t outputs = std::min(schedule_.outputPixels, c.outputPixels() - firstOutput);
    const std::size_t inputElement = bytesPerElement(c.inputType),
                      outputElement = bytesPerElement(c.outputType);
    const std::size_t inputBytes = c.channelsIn * inputElement, outputBytes = c.channelsOut * outputElement;
    const int copyThreads = schedule_.workers > 1 ? 1 : threads_;

    const std::size_t xStride = problem_.inputPixelStride * inputElement;
    const Rows x{memory.inputs[kX] + firstInput * xStride, xStride};
    const Rows denseX{problem_.inputIsSlice() ? memory.scratch + scratch_.x(worker) : x.data, inputBytes};
    copyRows(x, denseX, inputBytes, inputs, copyThreads);

    const std::size_t yStride = problem_.outputPixelStride * outputElement;
    const Rows y{memory.outputs[0] + firstOutput * yStride, yStride};
    const Rows denseY{problem_.outputIsSlice() ? memory.scratch + scratch_.y(worker) : y.data, outputBytes};
    if (c.residual) {  // oneDNN adds to what lies in y
      const std::size_t stride = problem_.residualPixelStride * outputElement;
      copyRows({memory.inputs[problem_.residualInput] + firstOutput * stride, stride}, denseY, outputBytes,
               outputs, copyThreads);
    }

    DnnlExecution& execution = outputs == schedule_.outputPixels ? pieces_[worker] : rests_[worker];
    execution.run(denseX.data, filter, c.bias ? memory.in<float>(kBias) : nullptr, denseY.data,
                  memory.scratch + scratch_.scratchpad(worker));
    copyRows(denseY, y, outputBytes, outputs, copyThreads);
  }

  const Problem problem_;
  const DnnlSchedule schedule_;
  const Scratch scratch_;
  const int threads_;
  std::vector<DnnlExecution> pieces_, rests_;  // one for each worker
  const PackedFilter filter_;
};

}  // namespace

std::size_t scratchBytes(const Problem& problem, const DnnlSchedule& schedule) {
  return Scratch(problem, schedule).bytes();
}

std::unique_ptr<PreparedStep> makeDnnlStep(const Problem& problem, const DnnlSchedule& schedule,
                                           const StepDescription& description, const Device& device,
                                           Weights& weights) {
  return std::make_unique<DnnlStep>(problem, schedule, description, device, weights);
}

}  // namespace ocrnet::cpu::conv

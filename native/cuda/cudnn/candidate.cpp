#include "cuda/cudnn/candidate.h"

#include "core/integers.h"
#include "cuda/cudnn/finish-sums.h"
#include "cuda/cudnn/session.h"
#include "runtime/algorithm-table.h"

namespace ocrnet::cuda::cudnn {

namespace {

conv::Problem problemOf(Pass pass, const StepDescription& step) {
  switch (pass) {
    case Pass::forward:
      return conv::describeConvolution(step);
    case Pass::inputGradient:
      return conv::describeInputGradient(step);
    case Pass::filterGradient:
      break;
  }
  return conv::describeFilterGradient(step);
}

/// What a step does around cuDNN's plan, and how it shares its scratch out. cuDNN rounds sums to the results'
/// type; a second pass then adds bias and residual and applies the activation.
struct Work {
  Pass pass;
  conv::Problem problem;
  Convolution convolution;
  bool castsFilter;     // to 16 bits: with each run, or once where it is a parameter
  bool finishes;        // the second pass
  bool sumsAreScratch;  // for the residual may lie where the results will
  std::size_t sumsBytes = 0, filterBytes = 0;

  Work(Pass pass, const StepDescription& step, const Device& device)
      : pass(pass), problem(problemOf(pass, step)), convolution(describe(pass, step, device)) {
    const bool residual = problem.residualInput >= 0;
    castsFilter = pass != Pass::filterGradient && convolution.filter.type != DataType::float32;
    finishes = residual || problem.biasInput >= 0 || problem.epilogue.activation != Activation::none;
    sumsAreScratch = residual;
    if (sumsAreScratch) {
      result() = packed(result());
      sumsBytes = static_cast<std::size_t>(problem.resultPixels() * problem.groups * problem.resultChannels *
                                           bytesPerElement(problem.resultType));
    }
    if (castsFilter && !problem.filterIsParameter) filterBytes = filterLayout(convolution).bytes();
  }

  /// That cuDNN computes.
  Tensor& result() {
    return pass == Pass::forward         ? convolution.y
           : pass == Pass::inputGradient ? convolution.x
                                         : convolution.filter;
  }

  std::size_t filterOffset() const { return roundUp(sumsBytes, kScratchAlignment); }
  std::size_t workspaceOffset() const { return roundUp(filterOffset() + filterBytes, kScratchAlignment); }
  std::size_t scratchBytes(const ExecutionPlan& plan) const {
    return workspaceOffset() + plan.workspaceBytes();
  }
};

class CudnnStep final : public PreparedStep {
 public:
  CudnnStep(const Work& work, const StepDescription& step, Session& session, const ExecutionPlan& plan,
            Parameters& parameters)
      : work_(work), session_(session), plan_(plan) {
    if (work_.castsFilter) filter_.emplace(filterLayout(work_.convolution), work_.problem, step, parameters);
  }

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    const conv::Problem& p = work_.problem;
    std::byte* const sums = work_.sumsAreScratch ? memory.scratch : memory.outputs[0];
    session_.execute(plan_, pointers(memory, sums, stream), stream);
    if (!work_.finishes) return;
    const std::int64_t channels = std::int64_t{p.groups} * p.resultChannels;
    finishSums(p, {sums, work_.sumsAreScratch ? channels : p.resultStride}, memory, stream);
  }

  bool reads(std::size_t input) const override {
    return !filter_ || input != conv::kFilterInput || !filter_->isKept();
  }

 private:
  Pointers pointers(const StepMemory& memory, std::byte* sums, cudaStream_t stream) const {
    const std::byte *const first = memory.inputs[0], *const second = memory.inputs[1];
    const void* const filter =
        filter_ ? filter_->get(memory, memory.scratch + work_.filterOffset(), stream) : second;
    std::byte* const workspace = memory.scratch + work_.workspaceOffset();
    switch (work_.pass) {
      case Pass::forward:
        return {.x = first, .filter = filter, .y = sums, .workspace = workspace};
      case Pass::inputGradient:
        return {.x = sums, .filter = filter, .y = first, .workspace = workspace};
      case Pass::filterGradient:
        break;
    }
    return {.x = first, .filter = sums, .y = second, .workspace = workspace};
  }

  const Work work_;
  Session& session_;
  const ExecutionPlan& plan_;
  std::optional<conv::PackedFilter> filter_;
};

}  // namespace

std::optional<Choice> candidate(Pass pass, const StepDescription& step, const Device& device) {
  if (!findLibrary().library) return std::nullopt;
  try {
    const Work work(pass, step, device);
    Session& session = Session::of(device);
    return choiceOf(kAlgorithm,
                    {"cuDNN " + session.version(), 0, work.scratchBytes(session.plan(work.convolution))});
  } catch (const Error&) {
    return std::nullopt;  // no engine takes it
  }
}

std::unique_ptr<PreparedStep> prepare(Pass pass, const StepDescription& step, const Device& device,
                                      Parameters& parameters) {
  const Work work(pass, step, device);
  Session& session = Session::of(device);
  const ExecutionPlan& plan = session.plan(work.convolution);
  requireChoice(step, {kAlgorithm, "", work.scratchBytes(plan)});
  return std::make_unique<CudnnStep>(work, step, session, plan, parameters);
}

}  // namespace ocrnet::cuda::cudnn

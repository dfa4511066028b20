#include "cuda/meeting-step.h"

namespace ocrnet::cuda {

namespace {

class AllReduceStep final : public MeetingStep {
 public:
  AllReduceStep(std::int64_t count, bool average) : count_(count), average_(average) {}

  void enqueue(const StepMemory&, cudaStream_t) override {}
  std::size_t bytes() const override { return static_cast<std::size_t>(count_) * sizeof(float); }
  Exchange exchange(const StepMemory& memory) const override { return {memory.inputs[0], memory.outputs[0]}; }
  void meet(MemberMemories memories, const Membership& place) const override {
    reduceRange(memories, place.share(count_), average_);
  }
  void enqueueRest(const StepMemory&, cudaStream_t) override {}

 private:
  const std::int64_t count_;
  const bool average_;
};

std::unique_ptr<PreparedStep> prepareAllReduce(const StepDescription& step, const Device&, Parameters&) {
  requireChoice(step, Choice{});
  requireGroup(step);
  return std::make_unique<AllReduceStep>(step.input(0)->elements(),
                                         step.attributes<AllReduceAttributes>().average);
}

}  // namespace

const Op allReduceOp{.choose = withoutScratch, .prepare = prepareAllReduce};

}  // namespace ocrnet::cuda

#pragma once

// What the operations with one algorithm share.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/integers.h"
#include "cpu/kernels/kernels.h"
#include "cpu/op.h"

namespace ocrnet::cpu {

/// A prepared step from a function of its memory, which owns whatever was made ahead.
template <class Run>
std::unique_ptr<PreparedStep> preparedStep(Run run) {
  class FunctionStep final : public PreparedStep {
   public:
    explicit FunctionStep(Run run) : run_(std::move(run)) {}
    void run(const StepMemory& memory) override { run_(memory); }

   private:
    const Run run_;
  };
  return std::make_unique<FunctionStep>(std::move(run));
}

/// For operations of training whose body computes in float32 alone.
inline void requireFloat32(const StepDescription& step) {
  for (std::size_t i = 0; i < step.inputCount(); ++i) {
    if (step.input(i) && step.input(i)->dataType == DataType::bfloat16)
      throw Error("UNSUPPORTED", "computes in float32 alone");
  }
}

/// A tensor's stride beside its data, which comes with each execution; of an absent tensor nothing.
inline Source sourceOf(const TensorInfo* tensor, const void* data = nullptr) {
  return {data, tensor ? tensor->pixelStride : 0};
}
inline Target targetOf(const TensorInfo* tensor, void* data = nullptr) { return {data, tensor->pixelStride}; }

/// Pixels of so many channels that are worth a thread.
inline std::int64_t pixelGrain(std::int64_t channels) { return 16384 / channels + 1; }

}  // namespace ocrnet::cpu

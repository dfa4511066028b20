#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cuda/device.h"
#include "runtime/in-flight.h"
#include "runtime/op-registry.h"
#include "runtime/step-description.h"

namespace ocrnet::cuda {

class MeetingStep;
class Parameters;

/// The device's memory of one execution, in the order of the step's inputs and outputs; null where absent.
struct StepMemory {
  std::span<std::byte* const> inputs;
  std::span<std::byte* const> outputs;
  std::byte* scratch;
  /// Below kRunsInFlight: that of a run which is in flight at the same time is another.
  std::size_t slot = 0;

  template <class T>
  const T* in(std::size_t i) const {
    return reinterpret_cast<const T*>(inputs[i]);
  }
  template <class T>
  T* out(std::size_t i) const {
    return reinterpret_cast<T*>(outputs[i]);
  }
  template <class T>
  T* scratchAs() const {
    return reinterpret_cast<T*>(scratch);
  }
};

/// Scratch memory begins at a multiple of it, and so should each piece of it.
inline constexpr std::size_t kScratchAlignment = 256;

/// A step with everything that can be made ahead: packed filters, tables.
class PreparedStep {
 public:
  virtual ~PreparedStep() = default;
  /// Puts the step's work into the stream, which may be captured: nothing is allocated and nobody waits.
  virtual void enqueue(const StepMemory& memory, cudaStream_t stream) = 0;
  /// Itself, where it meets the other members of a group; null where it does not.
  virtual MeetingStep* meeting() { return nullptr; }
  /// Of an input that the caller gives, in the processor's memory, before anything runs: throws
  /// Error("INVALID_DATA") where the step cannot take its values.
  virtual void accept(std::size_t /*input*/, const std::byte* /*values*/) const {}
  /// When all that was enqueued for the slot has run: throws Error("INVALID_DATA") where it met data that it
  /// cannot take. On any thread.
  virtual void verify(std::size_t /*slot*/) const {}
  /// Whether `enqueue` reads this input's memory; where not, it may be given null.
  virtual bool reads(std::size_t /*input*/) const { return true; }
};

/// A prepared step from a function of its memory and the stream, which owns whatever was made ahead.
template <class Enqueue>
std::unique_ptr<PreparedStep> preparedStep(Enqueue enqueue) {
  class FunctionStep final : public PreparedStep {
   public:
    explicit FunctionStep(Enqueue enqueue) : enqueue_(std::move(enqueue)) {}
    void enqueue(const StepMemory& memory, cudaStream_t stream) override { enqueue_(memory, stream); }

   private:
    const Enqueue enqueue_;
  };
  return std::make_unique<FunctionStep>(std::move(enqueue));
}

/// One operation on a GPU. Its steps were validated: shapes and types fit the schema's rules.
struct Op {
  /// The algorithm for a step; throws Error("UNSUPPORTED") with a reason where there is none. Any thread.
  Choice (*choose)(const StepDescription&, const Device&);
  /// The plan is untrusted: throws Error("INVALID_PLAN") unless the step's algorithm is one of the
  /// operation's own for such tensors and has the scratch that it needs.
  std::unique_ptr<PreparedStep> (*prepare)(const StepDescription&, const Device&, Parameters&);
  /// All algorithms for a step, where there is more than one kind of them; may be null.
  std::vector<Choice> (*candidates)(const StepDescription&, const Device&) = nullptr;
};

OCRNET_DECLARE_OPS

/// Null for operations that are compiled away.
const Op* opFor(Opcode opcode);

inline Choice withoutScratch(const StepDescription&, const Device&) { return {}; }

/// A tensor's stride beside its data, which comes with each execution; of an absent tensor nothing.
struct Source {
  const void* data;
  std::int64_t stride;

  template <class T>
  __host__ __device__ const T* as() const {
    return static_cast<const T*>(data);
  }
};
struct Target {
  void* data;
  std::int64_t stride;

  template <class T>
  __host__ __device__ T* as() const {
    return static_cast<T*>(data);
  }
  Source asSource() const { return {data, stride}; }
};
inline Source sourceOf(const TensorInfo* tensor, const void* data) {
  return {data, tensor ? tensor->pixelStride : 0};
}
inline Target targetOf(const TensorInfo* tensor, void* data) {
  return {data, tensor ? tensor->pixelStride : 0};
}

}  // namespace ocrnet::cuda

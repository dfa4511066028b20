#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "cuda/cudnn/execution-plan.h"

namespace ocrnet::cuda::cudnn {

/// cuDNN on one GPU: its handle, and what was planned with it. On any thread.
class Session {
 public:
  /// That of the library that is found now; it stays, with its plans, until the process ends or a fault makes
  /// the GPU start anew. Throws Error("UNSUPPORTED") where there is no library, or it does not start.
  static Session& of(const Device& device);

  Session(const Library& library, int device);

  const std::string& version() const { return library_.version; }
  /// Throws Error as ExecutionPlan's constructor. A plan is made once.
  const ExecutionPlan& plan(const Convolution& convolution);
  /// Puts the plan's work into the stream, which may be captured.
  void execute(const ExecutionPlan& plan, const Pointers& pointers, cudaStream_t stream);

 private:
  const Library& library_;
  const int device_;
  const std::uint64_t madeAfter_;  // of the process's resets
  Handle handle_ = nullptr;
  /// A plan, or why there is none.
  struct Planned {
    std::unique_ptr<const ExecutionPlan> plan;
    std::string refusal;
  };
  std::mutex mutex_;  // of what follows, and of what uses the handle
  std::map<Convolution, Planned> planned_;
};

}  // namespace ocrnet::cuda::cudnn

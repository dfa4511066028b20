#include "cuda/cudnn/session.h"

#include <tuple>

#include "core/error.h"
#include "cuda/check.h"
#include "cuda/memory.h"

namespace ocrnet::cuda::cudnn {

namespace {

/// Lets a thread that captures a stream load kernels and allocate, as cuDNN may when a plan first runs: they
/// would be no part of the graph.
class RelaxedCapture {
 public:
  RelaxedCapture() { cuda::check(cudaThreadExchangeStreamCaptureMode(&mode_)); }
  ~RelaxedCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace

Session& Session::of(const Device& device) {
  const Found& found = findLibrary();
  if (!found.library) throw Error("UNSUPPORTED", "cuDNN cannot be used: " + found.reason);
  // Never destroyed: when the process ends the GPU may be gone before, as after a fault.
  static auto& mutex = *new std::mutex;
  static auto& sessions =
      *new std::map<std::tuple<const Library*, int, std::uint64_t>, std::unique_ptr<Session>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Session>& session = sessions[{found.library, device.index, resets(device.index)}];
  if (!session) session = std::make_unique<Session>(*found.library, device.index);
  return *session;
}

Session::Session(const Library& library, int device)
    : library_(library), device_(device), madeAfter_(resets(device)) {
  cuda::check(cudaSetDevice(device_));
  check(library_, library_.functions.create(&handle_), "starting");
}

const ExecutionPlan& Session::plan(const Convolution& convolution) {
  const std::lock_guard lock(mutex_);
  Planned& planned = planned_[convolution];
  if (!planned.plan && planned.refusal.empty()) {
    cuda::check(cudaSetDevice(device_));
    try {
      planned.plan = std::make_unique<const ExecutionPlan>(library_, handle_, convolution);
    } catch (const Error& error) {
      planned.refusal = error.what();
    }
  }
  if (!planned.plan) throw Error("UNSUPPORTED", planned.refusal);
  return *planned.plan;
}

void Session::execute(const ExecutionPlan& plan, const Pointers& pointers, cudaStream_t stream) {
  if (madeAfter_ != resets(device_)) throw Error("EXECUTION_FAILED", "The GPU was reset after a fault");
  const std::lock_guard lock(mutex_);
  const RelaxedCapture relaxed;
  check(library_, library_.functions.setStream(handle_, stream), "taking a stream");
  plan.execute(handle_, pointers);
}

}  // namespace ocrnet::cuda::cudnn

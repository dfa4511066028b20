#pragma once

#include <napi.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "runtime/backend.h"
#include "runtime/job-queue.h"

namespace ocrnet::bindings {

/// A backend on its own thread, and the way from there back to the event loop of the environment that opened
/// it. Runs that a backend lets overlap are finished on a second thread, while the first starts the next; all
/// other work waits until none is in flight. Backends whose runs are over when they have begun get none.
///
/// Everything is called on the event loop's thread except where it says "on the device's thread". It owns the
/// loaded plans, so that closing it frees their memory whatever JavaScript still holds.
class DeviceThread : public std::enable_shared_from_this<DeviceThread> {
 public:
  using Work = std::function<void()>;
  /// Begins a run; what is left to do when it ends, or nothing.
  using Start = std::function<Work()>;
  using Result = std::function<Napi::Value(Napi::Env)>;

  static std::shared_ptr<DeviceThread> open(Napi::Env env, std::unique_ptr<Backend> backend);
  ~DeviceThread();
  DeviceThread(const DeviceThread&) = delete;
  DeviceThread& operator=(const DeviceThread&) = delete;

  Backend& backend() { return *backend_; }

  /// Does `work` on the device's thread after all that came before, then settles the promise with `result` or
  /// with what `work` threw. `kept` are alive until then. Throws Error("DISPOSED") once closed.
  Napi::Promise submit(Napi::Env env, Work work, Result result, std::vector<Napi::ObjectReference> kept = {});

  /// The same for a run: `start` on the device's thread, and the rest where runs are finished.
  Napi::Promise submitRun(Napi::Env env, Start start, Result result, std::vector<Napi::ObjectReference> kept);

  /// Milliseconds since `start`, or since the end of the run before where that was later. Where a run ends.
  double elapsedMs(std::chrono::steady_clock::time_point start);

  /// For `work`: stops for this token (may be null) or because the device closes.
  Cancellation cancellation(StopFlag token) const { return {std::move(token), queue_.stopping()}; }

  /// On the device's thread.
  std::weak_ptr<Executable> load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                 std::shared_ptr<State> state, std::unique_ptr<Membership> place);
  /// Frees the plan after the jobs that came before.
  void unload(std::weak_ptr<Executable> executable);

  /// Stops the run in progress at its next step and fails the jobs behind it; settles when all memory is
  /// free. May be called again.
  Napi::Promise close(Napi::Env env);

 private:
  struct Task;
  static void settle(Napi::Env env, Napi::Function, std::nullptr_t*, Task* task);
  static void onEnvironmentExit(void* self);
  using Channel = Napi::TypedThreadSafeFunction<std::nullptr_t, Task, &DeviceThread::settle>;
  static Channel openChannel(Napi::Env env);

  DeviceThread(Napi::Env env, std::unique_ptr<Backend> backend);
  /// `start` waits until at most so many runs are in flight.
  Napi::Promise enqueue(Napi::Env env, Start start, std::size_t mostInFlight, Result result,
                        std::vector<Napi::ObjectReference> kept);
  void awaitRuns(std::size_t most);
  void settleSoon(Task* task);
  void finish();

  napi_env env_;
  std::unique_ptr<Backend> backend_;
  std::set<std::shared_ptr<Executable>> executables_;  // changed on the device's thread
  Channel channel_;
  std::size_t pending_ = 0;  // tasks that are not settled: they keep the event loop alive
  bool closing_ = false, finished_ = false;
  std::chrono::steady_clock::time_point lastEnd_;  // of a run
  std::optional<JobQueue> finishing_;              // from the first run that is not over when it has begun
  JobQueue queue_;                                 // last: its thread uses all the others
};

}  // namespace ocrnet::bindings

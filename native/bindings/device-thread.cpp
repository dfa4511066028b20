#include "bindings/device-thread.h"

#include <algorithm>
#include <utility>

#include "bindings/errors.h"
#include "core/error.h"

namespace ocrnet::bindings {

struct DeviceThread::Task {
  std::shared_ptr<DeviceThread> device;
  Napi::Promise::Deferred deferred;
  Start start;
  Result result;
  std::vector<Napi::ObjectReference> kept;
  std::exception_ptr error;
};

std::shared_ptr<DeviceThread> DeviceThread::open(Napi::Env env, std::unique_ptr<Backend> backend) {
  return std::shared_ptr<DeviceThread>(new DeviceThread(env, std::move(backend)));
}

DeviceThread::Channel DeviceThread::openChannel(Napi::Env env) {
  Channel channel = Channel::New(env, "ocrnet device", 0, 1);
  channel.Unref(env);  // an idle device does not keep the process alive
  return channel;
}

DeviceThread::DeviceThread(Napi::Env env, std::unique_ptr<Backend> backend)
    : env_(env),
      backend_(std::move(backend)),
      channel_(openChannel(env)),
      queue_([this] { backend_->startThread(); }) {
  // Hooks run last to first: this one before the channel's own, so that the thread is gone when the channel
  // closes.
  napi_add_env_cleanup_hook(env_, onEnvironmentExit, this);
}

DeviceThread::~DeviceThread() { finish(); }

Napi::Promise DeviceThread::submit(Napi::Env env, Work work, Result result,
                                   std::vector<Napi::ObjectReference> kept) {
  if (closing_) throw Error("DISPOSED", "The device was disposed");
  return enqueue(
      env,
      [work = std::move(work)] {
        work();
        return nullptr;
      },
      0, std::move(result), std::move(kept));
}

Napi::Promise DeviceThread::submitRun(Napi::Env env, Start start, Result result,
                                      std::vector<Napi::ObjectReference> kept) {
  if (closing_) throw Error("DISPOSED", "The device was disposed");
  return enqueue(env, std::move(start), kRunsInFlight - 1, std::move(result), std::move(kept));
}

Napi::Promise DeviceThread::enqueue(Napi::Env env, Start start, std::size_t mostInFlight, Result result,
                                    std::vector<Napi::ObjectReference> kept) {
  auto* task = new Task{shared_from_this(), Napi::Promise::Deferred::New(env),
                        std::move(start),   std::move(result),
                        std::move(kept),    nullptr};
  const Napi::Promise promise = task->deferred.Promise();
  if (pending_++ == 0) channel_.Ref(env);
  queue_.post([this, task, mostInFlight] {
    awaitRuns(mostInFlight);
    Work rest;
    try {
      rest = task->start();
    } catch (...) {
      task->error = std::current_exception();
    }
    task->start = nullptr;  // what it holds is freed on this thread
    if (!rest) return settleSoon(task);
    if (!finishing_) finishing_.emplace([this] { backend_->startThread(); });
    finishing_->post([this, task, rest = std::move(rest)]() mutable {
      try {
        rest();
      } catch (...) {
        task->error = std::current_exception();
      }
      rest = nullptr;
      settleSoon(task);
    });
  });
  return promise;
}

/// On the device's thread.
void DeviceThread::awaitRuns(std::size_t most) {
  if (finishing_) finishing_->await(most);
}

/// Fails only while the environment ends; then nobody may touch the task's references any more, so it stays.
void DeviceThread::settleSoon(Task* task) { channel_.NonBlockingCall(task); }

double DeviceThread::elapsedMs(std::chrono::steady_clock::time_point start) {
  const auto end = std::chrono::steady_clock::now();
  const auto begin = std::max(start, std::exchange(lastEnd_, end));
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

void DeviceThread::settle(Napi::Env env, Napi::Function, std::nullptr_t*, Task* task) {
  const std::unique_ptr<Task> owner(task);
  if (env == nullptr) return;  // the environment ends
  if (--task->device->pending_ == 0) task->device->channel_.Unref(env);
  try {
    if (task->error) throw toJavaScript(env, task->error);
    task->deferred.Resolve(convertingErrors(env, [&] { return task->result(env); }));
  } catch (const Napi::Error& error) {
    try {
      task->deferred.Reject(error.Value());
    } catch (const Napi::Error&) {  // the environment is being ended: nobody waits any more
    }
  }
}

std::weak_ptr<Executable> DeviceThread::load(ValidPlan plan, std::shared_ptr<Weights> weights,
                                             std::shared_ptr<State> state,
                                             std::unique_ptr<Membership> place) {
  return *executables_
              .insert(backend_->load(std::move(plan), std::move(weights), std::move(state), std::move(place)))
              .first;
}

void DeviceThread::unload(std::weak_ptr<Executable> executable) {
  // Refused once closed, when everything is freed anyway.
  queue_.post([this, executable] {
    awaitRuns(0);
    executables_.erase(executable.lock());
  });
}

Napi::Promise DeviceThread::close(Napi::Env env) {
  if (finished_) {
    const auto done = Napi::Promise::Deferred::New(env);
    done.Resolve(env.Undefined());
    return done.Promise();
  }
  closing_ = true;
  queue_.stopping()->store(true, std::memory_order_relaxed);
  return enqueue(
      env,
      [this] {
        executables_.clear();
        return nullptr;
      },
      0,
      [this](Napi::Env settled) {
        if (pending_ == 0) finish();
        return settled.Undefined();
      },
      {});
}

void DeviceThread::finish() {
  if (finished_) return;
  finished_ = closing_ = true;
  queue_.close();
  if (finishing_) finishing_->close();
  executables_.clear();
  channel_.Release();
  napi_remove_env_cleanup_hook(env_, onEnvironmentExit, this);
}

void DeviceThread::onEnvironmentExit(void* self) {
  auto& device = *static_cast<DeviceThread*>(self);
  device.finished_ = device.closing_ = true;
  device.queue_.close();
  if (device.finishing_) device.finishing_->close();
  device.executables_.clear();
}

}  // namespace ocrnet::bindings

#include "bindings/device.h"

#include <limits>

#include "bindings/arguments.h"
#include "bindings/describe.h"
#include "bindings/group.h"
#include "bindings/program.h"
#include "bindings/state.h"
#include "bindings/weights.h"
#include "cpu/backend.h"
#include "cuda/backend.h"
#include "plan/decode.h"

namespace ocrnet::bindings {

namespace {

constexpr int kMaxThreads = 1024;

int threadsOption(const Napi::Value& options) {
  if (!options.IsObject()) return cpu::availableCores();
  const Napi::Value threads = options.As<Napi::Object>().Get("threads");
  if (threads.IsUndefined()) return cpu::availableCores();
  const double count = threads.IsNumber() ? threads.As<Napi::Number>().DoubleValue() : 0;
  if (count >= 1 && count <= kMaxThreads && count == static_cast<int>(count)) return static_cast<int>(count);
  throw Error("INVALID_ARGUMENT", "Invalid threads: expected an integer from 1 to " +
                                      std::to_string(kMaxThreads) + ", received " +
                                      std::string(threads.ToString()));
}

int indexOption(const Napi::Value& value) {
  const std::uint64_t index = countArgument(value, "index of a GPU");
  constexpr std::uint64_t kMost = std::numeric_limits<int>::max();
  if (index <= kMost) return static_cast<int>(index);
  throw Error("INVALID_ARGUMENT", "Invalid index of a GPU: received " + std::to_string(index));
}

Napi::Array describeChoices(Napi::Env env, const std::vector<StepChoice>& choices) {
  Napi::Array list = Napi::Array::New(env, choices.size());
  for (std::uint32_t i = 0; i < choices.size(); ++i) {
    Napi::Object choice = Napi::Object::New(env);
    choice.Set("algorithm", choices[i].algorithm);
    choice.Set("name", choices[i].name);
    choice.Set("scratchBytes", static_cast<double>(choices[i].scratchBytes));
    list.Set(i, choice);
  }
  return list;
}

cuda::Options cudaOptions(const Napi::Value& value) {
  cuda::Options options;
  if (!value.IsObject()) return options;
  const auto object = value.As<Napi::Object>();
  const Napi::Value index = object.Get("index"), tf32 = object.Get("tf32");
  if (!index.IsUndefined()) options.index = indexOption(index);
  if (!tf32.IsUndefined()) options.tf32 = boolArgument(tf32, "tf32");
  return options;
}

}  // namespace

Napi::Function NativeDevice::define(Napi::Env env) {
  return DefineClass(
      env, kName,
      {method<&NativeDevice::inspect>("inspect"), method<&NativeDevice::candidates>("candidates"),
       method<&NativeDevice::createWeights>("createWeights"),
       method<&NativeDevice::createState>("createState"), method<&NativeDevice::load>("load"),
       method<&NativeDevice::arenaBytes>("arenaBytes"), method<&NativeDevice::freeBytes>("freeBytes"),
       method<&NativeDevice::dispose>("dispose")});
}

Napi::Value NativeDevice::openCpu(const Napi::CallbackInfo& info) {
  const cpu::Device device = cpu::describeDevice(threadsOption(info[0]));
  Napi::Object description = Napi::Object::New(info.Env());
  description.Set("name", "cpu");
  description.Set("threads", device.threads);
  description.Set("isa", cpu::isaName(device.isa));
  description.Set("bfloat16", device.bfloat16);
  return open(info.Env(), std::make_unique<cpu::CpuBackend>(device), description);
}

Napi::Value NativeDevice::openCuda(const Napi::CallbackInfo& info) {
  const cuda::Options options = cudaOptions(info[0]);
  std::unique_ptr<Backend> backend = cuda::openBackend(options);
  Napi::Object description = describeGpu(info.Env(), cuda::describeDevice(options.index, options.tf32));
  description.Set("name", "cuda");
  description.Set("tf32", options.tf32);
  description.Set("emulated", cuda::describe().emulated);
  return open(info.Env(), std::move(backend), description);
}

Napi::Value NativeDevice::open(Napi::Env env, std::unique_ptr<Backend> backend, Napi::Object description) {
  Napi::Object opened = construct(env, env.GetInstanceData<Classes>()->device, Arguments{std::move(backend)});
  description.Freeze();
  opened.Set("info", description);
  return opened;
}

NativeDevice::NativeDevice(const Napi::CallbackInfo& info) : NativeObject(info) {
  std::unique_ptr<Backend>& backend = argumentsOf<Arguments>(info).backend;
  thread_ = convertingErrors(info.Env(), [&] { return DeviceThread::open(info.Env(), std::move(backend)); });
}

Napi::Value NativeDevice::inspect(const Napi::CallbackInfo& info) {
  const TypedPlan plan = checkTypes(decodePlan(bytesArgument(info[0], "plan")));
  return describeChoices(info.Env(), thread_->backend().inspect(plan));
}

Napi::Value NativeDevice::candidates(const Napi::CallbackInfo& info) {
  const TypedPlan plan = checkTypes(decodePlan(bytesArgument(info[0], "plan")));
  const std::vector<std::vector<StepChoice>> candidates = thread_->backend().candidates(plan);
  Napi::Array list = Napi::Array::New(info.Env(), candidates.size());
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    list.Set(i, describeChoices(info.Env(), candidates[i]));
  }
  return list;
}

Napi::Value NativeDevice::createWeights(const Napi::CallbackInfo& info) {
  return NativeWeights::create(info.Env());
}

Napi::Value NativeDevice::createState(const Napi::CallbackInfo& info) {
  return NativeState::create(info.Env(), thread_, info[0]);
}

Napi::Value NativeDevice::load(const Napi::CallbackInfo& info) {
  struct LoadState {
    std::vector<std::byte> bytes;
    std::shared_ptr<Weights> weights;
    std::shared_ptr<State> state;       // may be null
    std::unique_ptr<Membership> place;  // may be null
    NativeProgram::Arguments program;
  };
  const std::span<const std::byte> bytes = bytesArgument(info[0], "plan");
  const auto state = std::make_shared<LoadState>();
  state->bytes.assign(bytes.begin(), bytes.end());
  state->weights = NativeWeights::unwrap(info[1]).weights();
  if (!info[2].IsUndefined()) state->state = NativeState::unwrap(info[2]).stateOn(thread_);
  if (!info[3].IsUndefined()) {
    state->program.group = NativeGroup::unwrap(info[3]).group();
    state->place =
        std::make_unique<Membership>(state->program.group, countArgument(info[4], "member of a group"));
  }
  state->program.device = thread_;
  const auto work = [state, device = thread_.get(), cancellation = thread_->cancellation(nullptr)] {
    cancellation.check();
    ValidPlan plan = checkMemory(checkTypes(decodePlan(state->bytes)));
    state->program.signature = signatureOf(plan.plan());
    state->program.executable = device->load(std::move(plan), std::move(state->weights),
                                             std::move(state->state), std::move(state->place));
  };
  return thread_->submit(info.Env(), work, [state](Napi::Env env) {
    return NativeProgram::create(env, std::move(state->program));
  });
}

Napi::Value NativeDevice::arenaBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(thread_->backend().arenaBytes()));
}

Napi::Value NativeDevice::freeBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(thread_->backend().memory()->freeBytes()));
}

Napi::Value NativeDevice::dispose(const Napi::CallbackInfo& info) { return thread_->close(info.Env()); }

}  // namespace ocrnet::bindings

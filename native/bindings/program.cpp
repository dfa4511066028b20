#include "bindings/program.h"

#include <algorithm>
#include <chrono>

#include "bindings/abort-token.h"
#include "bindings/arguments.h"

namespace ocrnet::bindings {

namespace {

using Ports = std::vector<ProgramSignature::Port>;

/// A run's memory and measurements, shared by the threads.
struct RunState {
  explicit RunState(Cancellation stops) : cancellation(std::move(stops)) {}

  Cancellation cancellation;
  std::vector<std::byte*> inputs, outputs;
  std::vector<double> stepMs, repeatMs;  // empty unless wanted
  double elapsedMs = 0;
};

/// Addresses of the arrays, which are added to `kept`.
std::vector<std::byte*> collectArrays(const Napi::Value& value, const Ports& ports, const std::string& kind,
                                      std::vector<Napi::ObjectReference>& kept) {
  const Napi::Array arrays = arrayArgument(value, ports.size(), kind + "s");
  std::vector<std::byte*> addresses;
  for (std::uint32_t i = 0; i < ports.size(); ++i) {
    const Napi::Value array = arrays.Get(i);
    addresses.push_back(tensorArgument(array, ports[i].type, kind + " \"" + ports[i].name + "\""));
    kept.push_back(Napi::Persistent(array.As<Napi::Object>()));
  }
  return addresses;
}

Napi::Value resultOf(Napi::Env env, const RunState& state) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("elapsedMs", state.elapsedMs);
  const auto setTimes = [&](const char* name, const std::vector<double>& milliseconds) {
    if (milliseconds.empty()) return;
    auto times = Napi::Float64Array::New(env, milliseconds.size());
    std::copy(milliseconds.begin(), milliseconds.end(), times.Data());
    result.Set(name, times);
  };
  setTimes("steps", state.stepMs);
  setTimes("repeats", state.repeatMs);
  return result;
}

/// Null for undefined.
StopFlag flagArgument(const Napi::Value& token) {
  return token.IsUndefined() ? nullptr : NativeAbortToken::unwrap(token).flag();
}

std::size_t repeatsArgument(const Napi::Value& value) {
  constexpr std::uint64_t kMost = 1'000'000;
  const std::uint64_t count = countArgument(value, "repeats");
  if (count >= 1 && count <= kMost) return count;
  throw Error("INVALID_ARGUMENT",
              "repeats: expected from 1 to " + std::to_string(kMost) + ", received " + std::to_string(count));
}

}  // namespace

ProgramSignature signatureOf(const Plan& plan) {
  const auto ports = [&](const std::vector<Binding>& bindings) {
    Ports list;
    for (const auto& [name, tensor] : bindings) list.push_back({name, typeOf(plan.tensors[tensor])});
    return list;
  };
  return {ports(plan.inputs), ports(plan.outputs), plan.steps.size(), plan.arenaBytes};
}

Napi::Function NativeProgram::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {method<&NativeProgram::run>("run"), method<&NativeProgram::arenaBytes>("arenaBytes"),
                      method<&NativeProgram::dispose>("dispose")});
}

Napi::Value NativeProgram::create(Napi::Env env, Arguments arguments) {
  return construct(env, env.GetInstanceData<Classes>()->program, std::move(arguments));
}

NativeProgram::NativeProgram(const Napi::CallbackInfo& info)
    : NativeObject(info), program_(std::move(argumentsOf<Arguments>(info))) {
  memory_.report(info.Env(), program_.signature.arenaBytes);
}

NativeProgram::~NativeProgram() { unload(); }

Napi::Value NativeProgram::run(const Napi::CallbackInfo& info) {
  if (disposed_) throw Error("DISPOSED", "The program was disposed");
  const Napi::Object options =
      info[2].IsObject() ? info[2].As<Napi::Object>() : Napi::Object::New(info.Env());
  const Napi::Value repeats = options.Get("repeats");
  const StopFlag chain = flagArgument(options.Get("chain"));
  const auto state =
      std::make_shared<RunState>(program_.device->cancellation(flagArgument(options.Get("token"))));
  std::vector<Napi::ObjectReference> kept;
  state->inputs = collectArrays(info[0], program_.signature.inputs, "input", kept);
  state->outputs = collectArrays(info[1], program_.signature.outputs, "output", kept);
  if (options.Get("profile").ToBoolean()) state->stepMs.resize(program_.signature.steps);
  if (!repeats.IsUndefined()) state->repeatMs.resize(repeatsArgument(repeats));

  // A run that fails breaks the chain, before the next one begins, and the group: the others need not wait
  // for this one.
  const auto breaking = [chain, group = program_.group](const auto& act) {
    try {
      return act();
    } catch (...) {
      if (chain) chain->store(true, std::memory_order_relaxed);
      if (group) group->breakUp();
      throw;
    }
  };
  const auto run = [state, chain, breaking, device = program_.device.get(),
                    executable = program_.executable]() -> DeviceThread::Work {
    return breaking([&]() -> DeviceThread::Work {
      state->cancellation.check();
      if (chain && chain->load(std::memory_order_relaxed)) {
        throw Error("ABORTED", "A run before this one failed");
      }
      const auto loaded = executable.lock();
      if (!loaded) throw Error("DISPOSED", "The program was disposed");
      const auto start = std::chrono::steady_clock::now();
      const std::shared_ptr<StartedRun> started =
          loaded->start({state->inputs, state->outputs, state->cancellation, state->stepMs, state->repeatMs});
      const auto end = [state, device, start] { state->elapsedMs = device->elapsedMs(start); };
      if (!started) {
        end();
        return nullptr;
      }
      return [breaking, started, end] {
        breaking([&] { started->finish(); });
        end();
      };
    });
  };
  return program_.device->submitRun(
      info.Env(), run, [state](Napi::Env env) { return resultOf(env, *state); }, std::move(kept));
}

Napi::Value NativeProgram::arenaBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(program_.signature.arenaBytes));
}

Napi::Value NativeProgram::dispose(const Napi::CallbackInfo& info) {
  unload();
  return info.Env().Undefined();
}

void NativeProgram::unload() {
  if (disposed_ || !program_.device) return;
  disposed_ = true;
  memory_.report(Env(), 0);
  program_.device->unload(program_.executable);
}

}  // namespace ocrnet::bindings

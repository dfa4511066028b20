#include "bindings/state.h"

#include "bindings/arguments.h"

namespace ocrnet::bindings {

Napi::Function NativeState::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {method<&NativeState::write>("write"), method<&NativeState::read>("read"),
                      method<&NativeState::bytes>("bytes"), method<&NativeState::dispose>("dispose")});
}

Napi::Value NativeState::create(Napi::Env env, std::shared_ptr<DeviceThread> device,
                                const Napi::Value& blocks) {
  if (!blocks.IsArray()) throw Error("INVALID_ARGUMENT", "Invalid state: expected an array of blocks");
  const auto state = std::make_shared<State>(device->backend().memory());
  const auto list = blocks.As<Napi::Array>();
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value block = list.Get(i);
    if (!block.IsObject()) throw Error("INVALID_ARGUMENT", "Invalid state: expected {name, elements}");
    const auto fields = block.As<Napi::Object>();
    state->add(stringArgument(fields.Get("name"), "name of a state"),
               countArgument(fields.Get("elements"), "size of a state"));
  }
  return construct(env, env.GetInstanceData<Classes>()->state, Arguments{std::move(device), state});
}

NativeState::NativeState(const Napi::CallbackInfo& info)
    : NativeObject(info), arguments_(argumentsOf<Arguments>(info)) {
  memory_.report(info.Env(), arguments_.state->bytes());
}

NativeState::~NativeState() { memory_.report(Env(), 0); }

const std::shared_ptr<State>& NativeState::state() const {
  if (!arguments_.state) throw Error("DISPOSED", "The state was disposed");
  return arguments_.state;
}

const std::shared_ptr<State>& NativeState::stateOn(const std::shared_ptr<DeviceThread>& device) const {
  if (arguments_.device == device) return state();
  throw Error("INVALID_ARGUMENT", "Invalid state: expected one of this device, received another device's");
}

Napi::Value NativeState::write(const Napi::CallbackInfo& info) { return transfer(info, true); }
Napi::Value NativeState::read(const Napi::CallbackInfo& info) { return transfer(info, false); }

Napi::Value NativeState::transfer(const Napi::CallbackInfo& info, bool write) {
  const std::string name = stringArgument(info[0], "name of a state");
  const std::uint64_t first = countArgument(info[1], "first element");
  const std::span<const float> data = floatsArgument(info[2], "state \"" + name + "\"");
  // Checked here, on the caller's thread: blocks neither come nor go.
  const State::Block range = state()->range(name, first, data.size());
  const auto work = [keep = state(), range, data, write] {
    if (write) keep->write(data, range);
    // The caller's array: a Float32Array that is kept alive.
    if (!write) keep->read(range, {const_cast<float*>(data.data()), data.size()});
  };
  std::vector<Napi::ObjectReference> kept;
  kept.push_back(Napi::Persistent(info[2].As<Napi::Object>()));
  return arguments_.device->submit(
      info.Env(), work, [](Napi::Env env) { return env.Undefined(); }, std::move(kept));
}

Napi::Value NativeState::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state()->bytes()));
}

Napi::Value NativeState::dispose(const Napi::CallbackInfo& info) {
  arguments_.state.reset();
  memory_.report(info.Env(), 0);
  return info.Env().Undefined();
}

}  // namespace ocrnet::bindings

#include "bindings/weights.h"

#include "bindings/arguments.h"

namespace ocrnet::bindings {

Napi::Function NativeWeights::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {method<&NativeWeights::set>("set"), method<&NativeWeights::bytes>("bytes"),
                      method<&NativeWeights::dispose>("dispose")});
}

Napi::Value NativeWeights::create(Napi::Env env) {
  return construct(env, env.GetInstanceData<Classes>()->weights, Arguments{});
}

NativeWeights::NativeWeights(const Napi::CallbackInfo& info) : NativeObject(info) {
  argumentsOf<Arguments>(info);
}

NativeWeights::~NativeWeights() { memory_.report(Env(), 0); }

const std::shared_ptr<Weights>& NativeWeights::weights() const {
  if (!weights_) throw Error("DISPOSED", "The weights were disposed");
  return weights_;
}

Napi::Value NativeWeights::set(const Napi::CallbackInfo& info) {
  const std::string name = stringArgument(info[0], "name of a weight");
  const std::string what = "weight \"" + name + "\"";
  const std::span<const float> values = floatsArgument(info[2], what);
  weights()->set(name, shapeArgument(info[1], what + "'s shape"), values);
  memory_.report(info.Env(), memory_.bytes() + values.size_bytes());
  return info.Env().Undefined();
}

Napi::Value NativeWeights::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(weights()->bytes()));
}

Napi::Value NativeWeights::dispose(const Napi::CallbackInfo& info) {
  weights_.reset();
  memory_.report(info.Env(), 0);
  return info.Env().Undefined();
}

}  // namespace ocrnet::bindings

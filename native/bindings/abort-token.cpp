#include "bindings/abort-token.h"

namespace ocrnet::bindings {

Napi::Function NativeAbortToken::define(Napi::Env env) {
  return DefineClass(env, kName, {method<&NativeAbortToken::abort>("abort")});
}

Napi::Value NativeAbortToken::create(Napi::Env env) {
  return construct(env, env.GetInstanceData<Classes>()->abortToken, Arguments{});
}

NativeAbortToken::NativeAbortToken(const Napi::CallbackInfo& info) : NativeObject(info) {
  argumentsOf<Arguments>(info);
}

Napi::Value NativeAbortToken::abort(const Napi::CallbackInfo& info) {
  flag_->store(true, std::memory_order_relaxed);
  return info.Env().Undefined();
}

}  // namespace ocrnet::bindings

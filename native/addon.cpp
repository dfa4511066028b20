// The addon's export table. lib/runtime/native.ts has its types.
#include <napi.h>

#include "bindings/abort-token.h"
#include "bindings/describe.h"
#include "bindings/device.h"
#include "bindings/group.h"
#include "bindings/program.h"
#include "bindings/state.h"
#include "bindings/weights.h"

namespace ocrnet::bindings {

namespace {

Napi::Value openCpu(const Napi::CallbackInfo& info) {
  return convertingErrors(info.Env(), [&] { return NativeDevice::openCpu(info); });
}

Napi::Value openCuda(const Napi::CallbackInfo& info) {
  return convertingErrors(info.Env(), [&] { return NativeDevice::openCuda(info); });
}

Napi::Value createGroup(const Napi::CallbackInfo& info) {
  return convertingErrors(info.Env(), [&] { return NativeGroup::create(info); });
}

Napi::Value createAbortToken(const Napi::CallbackInfo& info) {
  return convertingErrors(info.Env(), [&] { return NativeAbortToken::create(info.Env()); });
}

}  // namespace

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Classes{
      Napi::Persistent(NativeDevice::define(env)), Napi::Persistent(NativeWeights::define(env)),
      Napi::Persistent(NativeState::define(env)), Napi::Persistent(NativeProgram::define(env)),
      Napi::Persistent(NativeAbortToken::define(env)), Napi::Persistent(NativeGroup::define(env))});
  exports.Set("describe", Napi::Function::New<describe>(env, "describe"));
  exports.Set("openCpu", Napi::Function::New<openCpu>(env, "openCpu"));
  exports.Set("openCuda", Napi::Function::New<openCuda>(env, "openCuda"));
  exports.Set("createGroup", Napi::Function::New<createGroup>(env, "createGroup"));
  exports.Set("createAbortToken", Napi::Function::New<createAbortToken>(env, "createAbortToken"));
  return exports;
}

}  // namespace ocrnet::bindings

// The macro wants a plain name.
static Napi::Object initOcrnet(Napi::Env env, Napi::Object exports) {
  return ocrnet::bindings::init(env, exports);
}

NODE_API_MODULE(ocrnet, initOcrnet)

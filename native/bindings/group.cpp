#include "bindings/group.h"

#include "bindings/arguments.h"

namespace ocrnet::bindings {

Napi::Function NativeGroup::define(Napi::Env env) {
  return DefineClass(env, kName, {method<&NativeGroup::renew>("renew")});
}

Napi::Value NativeGroup::create(const Napi::CallbackInfo& info) {
  const auto group = std::make_shared<Group>(countArgument(info[0], "size of a group"));
  return construct(info.Env(), info.Env().GetInstanceData<Classes>()->group, Arguments{group});
}

NativeGroup::NativeGroup(const Napi::CallbackInfo& info)
    : NativeObject(info), group_(argumentsOf<Arguments>(info).group) {}

Napi::Value NativeGroup::renew(const Napi::CallbackInfo& info) {
  group_->renew();
  return info.Env().Undefined();
}

}  // namespace ocrnet::bindings

#pragma once

#include "bindings/native-object.h"
#include "runtime/cancellation.h"

namespace ocrnet::bindings {

/// A wish to stop that JavaScript can make while a run is queued or in progress.
class NativeAbortToken : public NativeObject<NativeAbortToken> {
 public:
  static constexpr napi_type_tag kTag{0x6f63726e65742d61, 0x626f727420746f6b};
  static constexpr const char* kName = "NativeAbortToken";
  struct Arguments {};

  static Napi::Function define(Napi::Env env);
  static Napi::Value create(Napi::Env env);
  explicit NativeAbortToken(const Napi::CallbackInfo& info);

  const StopFlag& flag() const { return flag_; }

 private:
  Napi::Value abort(const Napi::CallbackInfo& info);

  StopFlag flag_ = makeStopFlag();
};

}  // namespace ocrnet::bindings

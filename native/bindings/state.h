#pragma once

#include "bindings/device-thread.h"
#include "bindings/external-memory.h"
#include "bindings/native-object.h"
#include "runtime/state.h"

namespace ocrnet::bindings {

/// Memory of a device that outlives runs. Loaded plans share it.
class NativeState : public NativeObject<NativeState> {
 public:
  static constexpr napi_type_tag kTag{0x6f63726e65742d73, 0x7461746500000000};
  static constexpr const char* kName = "NativeState";
  struct Arguments {
    std::shared_ptr<DeviceThread> device;
    std::shared_ptr<State> state;
  };

  static Napi::Function define(Napi::Env env);
  /// `blocks` is an array of {name: string, elements: number}.
  static Napi::Value create(Napi::Env env, std::shared_ptr<DeviceThread> device, const Napi::Value& blocks);
  explicit NativeState(const Napi::CallbackInfo& info);
  ~NativeState() override;

  /// Throws Error("DISPOSED").
  const std::shared_ptr<State>& state() const;
  /// The same, for a run on this device. Throws Error("INVALID_ARGUMENT") where it lies on another.
  const std::shared_ptr<State>& stateOn(const std::shared_ptr<DeviceThread>& device) const;

 private:
  /// write(name: string, first: number, data: Float32Array): Promise<void>. read is its counterpart. Both
  /// happen between runs, in the order of the calls; the array must not change until the promise settles.
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value transfer(const Napi::CallbackInfo& info, bool write);
  /// bytes(): number
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  Arguments arguments_;
  ExternalMemory memory_;
};

}  // namespace ocrnet::bindings

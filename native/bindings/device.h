#pragma once

#include "bindings/device-thread.h"
#include "bindings/native-object.h"

namespace ocrnet::bindings {

/// An opened device.
class NativeDevice : public NativeObject<NativeDevice> {
 public:
  static constexpr napi_type_tag kTag{0x6f63726e65742d64, 0x6576696365000000};
  static constexpr const char* kName = "NativeDevice";
  struct Arguments {
    std::unique_ptr<Backend> backend;
  };

  static Napi::Function define(Napi::Env env);
  /// openCpu({threads?: number}): NativeDevice
  static Napi::Value openCpu(const Napi::CallbackInfo& info);
  /// openCuda({index?: number, tf32?: boolean}): NativeDevice. Throws Error("DEVICE_UNAVAILABLE").
  static Napi::Value openCuda(const Napi::CallbackInfo& info);
  explicit NativeDevice(const Napi::CallbackInfo& info);

 private:
  /// `description` becomes the object's property `info`.
  static Napi::Value open(Napi::Env env, std::unique_ptr<Backend> backend, Napi::Object description);

  /// inspect(plan: Uint8Array): {algorithm, name, scratchBytes}[], one for each step. The steps' algorithms
  /// and all that is about the arena may still be open in the plan.
  Napi::Value inspect(const Napi::CallbackInfo& info);
  /// candidates(plan: Uint8Array): the same as a list for each step, of all that could be chosen.
  Napi::Value candidates(const Napi::CallbackInfo& info);
  Napi::Value createWeights(const Napi::CallbackInfo& info);
  /// createState(blocks: {name: string, elements: number}[]): NativeState, all zero
  Napi::Value createState(const Napi::CallbackInfo& info);
  /// load(plan: Uint8Array, weights: NativeWeights, state?: NativeState, group?: NativeGroup, member?:
  /// number): Promise<NativeProgram>. Copies the plan.
  Napi::Value load(const Napi::CallbackInfo& info);
  /// arenaBytes(): number, allocated now for all loaded plans together
  Napi::Value arenaBytes(const Napi::CallbackInfo& info);
  /// freeBytes(): number, of the device's memory, not in use by anybody
  Napi::Value freeBytes(const Napi::CallbackInfo& info);
  /// dispose(): Promise<void>
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<DeviceThread> thread_;
};

}  // namespace ocrnet::bindings

#pragma once

#include "bindings/external-memory.h"
#include "bindings/native-object.h"
#include "runtime/weights.h"

namespace ocrnet::bindings {

/// A model's weights on a device. Loaded plans share them, so that memory is free when the last of all is
/// disposed of.
class NativeWeights : public NativeObject<NativeWeights> {
 public:
  static constexpr napi_type_tag kTag{0x6f63726e65742d77, 0x6569676874730000};
  static constexpr const char* kName = "NativeWeights";
  struct Arguments {};

  static Napi::Function define(Napi::Env env);
  static Napi::Value create(Napi::Env env);
  explicit NativeWeights(const Napi::CallbackInfo& info);
  ~NativeWeights() override;

  /// Throws Error("DISPOSED").
  const std::shared_ptr<Weights>& weights() const;

 private:
  /// set(name: string, shape: number[], data: Float32Array): copies.
  Napi::Value set(const Napi::CallbackInfo& info);
  /// bytes(): number
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<Weights> weights_ = std::make_shared<Weights>();
  ExternalMemory memory_;  // the values; packed forms mostly take their place
};

}  // namespace ocrnet::bindings

#pragma once

#include "bindings/native-object.h"
#include "runtime/group.h"

namespace ocrnet::bindings {

/// Devices that compute together.
class NativeGroup : public NativeObject<NativeGroup> {
 public:
  static constexpr napi_type_tag kTag{0x6f63726e65742d67, 0x726f757000000000};
  static constexpr const char* kName = "NativeGroup";
  struct Arguments {
    std::shared_ptr<Group> group;
  };

  static Napi::Function define(Napi::Env env);
  /// createGroup(size: number): NativeGroup
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit NativeGroup(const Napi::CallbackInfo& info);

  const std::shared_ptr<Group>& group() const { return group_; }

 private:
  /// renew(): lets a group that was broken meet again, while no member runs.
  Napi::Value renew(const Napi::CallbackInfo& info);

  std::shared_ptr<Group> group_;
};

}  // namespace ocrnet::bindings

#pragma once

#include <vector>

#include "bindings/device-thread.h"
#include "bindings/external-memory.h"
#include "bindings/native-object.h"
#include "plan/infer.h"

namespace ocrnet::bindings {

/// What of a loaded plan a caller's arrays are held against.
struct ProgramSignature {
  struct Port {
    std::string name;
    TensorType type;
  };
  std::vector<Port> inputs, outputs;
  std::size_t steps;
  std::size_t arenaBytes;
};

ProgramSignature signatureOf(const Plan& plan);

/// A plan that is loaded on a device.
class NativeProgram : public NativeObject<NativeProgram> {
 public:
  static constexpr napi_type_tag kTag{0x6f63726e65742d70, 0x726f6772616d0000};
  static constexpr const char* kName = "NativeProgram";
  struct Arguments {
    std::shared_ptr<DeviceThread> device;
    std::weak_ptr<Executable> executable;
    std::shared_ptr<Group> group;  // null where the plan was loaded without
    ProgramSignature signature;
  };

  static Napi::Function define(Napi::Env env);
  static Napi::Value create(Napi::Env env, Arguments arguments);
  explicit NativeProgram(const Napi::CallbackInfo& info);
  ~NativeProgram() override;

 private:
  /// run(inputs: TypedArray[], outputs: TypedArray[], {token?, chain?, profile?, repeats?}):
  /// Promise<{elapsedMs, steps?, repeats?}>. The arrays must neither change nor be transferred until the
  /// promise settles. A run that fails breaks the group and sets `chain`, a token; one whose chain is set
  /// does not begin.
  Napi::Value run(const Napi::CallbackInfo& info);
  /// arenaBytes(): number, of this plan alone
  Napi::Value arenaBytes(const Napi::CallbackInfo& info);
  /// Runs that were started before come to their end.
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void unload();

  Arguments program_;
  ExternalMemory memory_;  // its arena, which it shares with the device's other plans
  bool disposed_ = false;
};

}  // namespace ocrnet::bindings

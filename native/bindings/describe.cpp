#include "bindings/describe.h"

#include <dnnl.h>

#include <thread>

#include "bindings/errors.h"
#include "cpu/device.h"

namespace ocrnet::bindings {

namespace {

std::string oneDnnVersion() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

Napi::Value describeMachine(Napi::Env env) {
  const std::vector<std::string> features = cpu::processorFeatures();
  Napi::Array list = Napi::Array::New(env, features.size());
  for (std::uint32_t i = 0; i < features.size(); ++i) list.Set(i, features[i]);
  Napi::Object description = Napi::Object::New(env);
  description.Set("isa", cpu::isaName(cpu::bestIsa()));
  description.Set("features", list);
  description.Set("cores", std::thread::hardware_concurrency());
  description.Set("threads", cpu::availableCores());
  description.Set("cpuModel", cpu::processorModel());
  description.Set("oneDnnVersion", oneDnnVersion());
  description.Set("openmp", std::to_string(_OPENMP));
  description.Set("compiler", __VERSION__);
  description.Set("napi", NAPI_VERSION);
  return description;
}

}  // namespace

Napi::Value describe(const Napi::CallbackInfo& info) {
  return convertingErrors(info.Env(), [&] { return describeMachine(info.Env()); });
}

}  // namespace ocrnet::bindings

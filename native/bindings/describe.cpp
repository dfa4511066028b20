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

void setUnlessEmpty(Napi::Object& object, const char* name, const std::string& text) {
  if (!text.empty()) object.Set(name, text);
}

/// {path, version?, unavailable?}
Napi::Object describeCudnn(Napi::Env env) {
  const cuda::CudnnDescription cudnn = cuda::describeCudnn();
  Napi::Object description = Napi::Object::New(env);
  description.Set("path", cudnn.path);
  setUnlessEmpty(description, "version", cudnn.version);
  setUnlessEmpty(description, "unavailable", cudnn.unavailable);
  return description;
}

/// {built, emulated, runtimeVersion?, driverVersion?, unavailable?, devices, cudnn}
Napi::Object describeCuda(Napi::Env env) {
  const cuda::Description cuda = cuda::describe();
  Napi::Array devices = Napi::Array::New(env, cuda.devices.size());
  for (std::uint32_t i = 0; i < cuda.devices.size(); ++i) devices.Set(i, describeGpu(env, cuda.devices[i]));
  Napi::Object description = Napi::Object::New(env);
  description.Set("built", cuda.built);
  description.Set("emulated", cuda.emulated);
  setUnlessEmpty(description, "runtimeVersion", cuda.runtimeVersion);
  setUnlessEmpty(description, "driverVersion", cuda.driverVersion);
  setUnlessEmpty(description, "unavailable", cuda.unavailable);
  description.Set("devices", devices);
  description.Set("cudnn", describeCudnn(env));
  return description;
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
  description.Set("cuda", describeCuda(env));
  return description;
}

}  // namespace

Napi::Object describeGpu(Napi::Env env, const cuda::Device& gpu) {
  Napi::Object description = Napi::Object::New(env);
  description.Set("index", gpu.index);
  description.Set("model", gpu.model);
  description.Set("computeCapability", std::to_string(gpu.computeCapability / 10) + "." +
                                           std::to_string(gpu.computeCapability % 10));
  description.Set("multiprocessors", gpu.multiprocessors);
  description.Set("memoryBytes", static_cast<double>(gpu.memoryBytes));
  return description;
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  return convertingErrors(info.Env(), [&] { return describeMachine(info.Env()); });
}

}  // namespace ocrnet::bindings

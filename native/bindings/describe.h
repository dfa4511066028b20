#pragma once

#include <napi.h>

#include "cuda/backend.h"

namespace ocrnet::bindings {

/// describe(): what this machine and this build of the addon are, for reports.
Napi::Value describe(const Napi::CallbackInfo& info);

/// {index, model, computeCapability: "9.0", multiprocessors, memoryBytes}
Napi::Object describeGpu(Napi::Env env, const cuda::Device& gpu);

}  // namespace ocrnet::bindings

#pragma once

#include <napi.h>

namespace ocrnet::bindings {

/// describe(): what this machine and this build of the addon are, for reports.
Napi::Value describe(const Napi::CallbackInfo& info);

}  // namespace ocrnet::bindings

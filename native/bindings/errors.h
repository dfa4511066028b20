#pragma once

#include <napi.h>

#include <exception>

namespace ocrnet::bindings {

/// The JavaScript error for an exception: `code` is one of ErrorCode in lib/errors.ts. The one place where an
/// exception becomes a JavaScript error.
Napi::Error toJavaScript(Napi::Env env, const std::exception_ptr& exception);

/// Calls `act`; whatever it throws is thrown as a JavaScript error.
template <class Act>
auto convertingErrors(Napi::Env env, const Act& act) {
  try {
    return act();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw toJavaScript(env, std::current_exception());
  }
}

}  // namespace ocrnet::bindings

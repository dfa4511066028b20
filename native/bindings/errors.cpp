#include "bindings/errors.h"

#include <new>

#include "core/error.h"

namespace ocrnet::bindings {

namespace {

Napi::Error withCode(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

}  // namespace

Napi::Error toJavaScript(Napi::Env env, const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return withCode(env, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return withCode(env, "OUT_OF_MEMORY", "The system gives no more memory");
  } catch (const std::exception& error) {
    return withCode(env, "EXECUTION_FAILED", error.what());
  } catch (...) {
    return withCode(env, "EXECUTION_FAILED", "The native code threw something that is no exception");
  }
}

}  // namespace ocrnet::bindings

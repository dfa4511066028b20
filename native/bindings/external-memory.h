#pragma once

#include <napi.h>

#include <cstddef>

namespace ocrnet::bindings {

/// What a JavaScript object holds outside of V8's heap. V8 collects garbage the sooner the more there is: a
/// model that nobody disposed of is a small object with hundreds of megabytes behind it.
class ExternalMemory {
 public:
  std::size_t bytes() const { return bytes_; }

  void report(Napi::Env env, std::size_t bytes) {
    Napi::MemoryManagement::AdjustExternalMemory(
        env, static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(bytes_));
    bytes_ = bytes;
  }

 private:
  std::size_t bytes_ = 0;
};

}  // namespace ocrnet::bindings

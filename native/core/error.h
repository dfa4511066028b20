#pragma once

#include <stdexcept>
#include <string>

namespace ocrnet {

/// Thrown anywhere in native code; the bindings turn it into an OcrnetError of the same code, in one place.
class Error : public std::runtime_error {
 public:
  /// `code` is one of ErrorCode in lib/errors.ts.
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

}  // namespace ocrnet

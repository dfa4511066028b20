#pragma once

#include <charconv>

namespace ocrnet {

/// Attributes travel in float32, where 1 − 0.999 is off by 1.3e-5 of itself: the number that was meant is the
/// shortest decimal that float32 rounds so.
inline double asWritten(float value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  double written = static_cast<double>(value);
  if (error == std::errc()) std::from_chars(text, end, written);
  return written;
}

}  // namespace ocrnet

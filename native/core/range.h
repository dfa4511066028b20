#pragma once

#include <cstdint>

namespace ocrnet {

/// The integers from first to end − 1.
struct Range {
  std::int64_t first, end;
  std::int64_t size() const { return end - first; }
};

}  // namespace ocrnet

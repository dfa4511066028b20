#pragma once

#include <cstdint>

namespace ocrnet {

/// The integers from first to end − 1.
struct Range {
  std::int64_t first, end;
  std::int64_t size() const { return end - first; }
  /// One of `count` parts whose sizes differ by one at most.
  Range part(std::int64_t index, std::int64_t count) const {
    return {first + size() * index / count, first + size() * (index + 1) / count};
  }
};

}  // namespace ocrnet

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/aligned-buffer.h"

namespace ocrnet {

/// Memory of a device that outlives the runs of plans: named blocks of float32 numbers, zero at first, that
/// steps read and update. Parameters in training, running statistics, what optimisers remember.
///
/// The blocks are all there before anybody shares it; their numbers are touched on the device's thread alone.
class State {
 public:
  /// Throws Error("INVALID_ARGUMENT") where the name is taken or there are no elements, "OUT_OF_MEMORY".
  void add(const std::string& name, std::uint64_t elements);

  /// Throws Error("INVALID_ARGUMENT") where there is no block of this name.
  std::span<float> block(const std::string& name) const;

  /// Elements of a block from one on. Throws Error("INVALID_ARGUMENT") where they do not lie in it.
  std::span<float> range(const std::string& name, std::uint64_t first, std::uint64_t count) const;

  std::size_t bytes() const;

 private:
  std::map<std::string, AlignedBuffer> blocks_;
};

}  // namespace ocrnet

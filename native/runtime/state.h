#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "runtime/device-memory.h"

namespace ocrnet {

/// Memory of a device that outlives the runs of plans: named blocks of float32 numbers, zero at first, that
/// steps read and update. Parameters in training, running statistics, what optimisers remember.
///
/// The blocks are all there before anybody shares it; their numbers are touched on the device's thread alone.
class State {
 public:
  /// Numbers where the device has them.
  struct Block {
    std::byte* data;
    std::uint64_t elements;
  };

  explicit State(std::shared_ptr<DeviceMemory> memory) : memory_(std::move(memory)) {}

  /// Throws Error("INVALID_ARGUMENT") where the name is taken or there are no elements, "OUT_OF_MEMORY".
  void add(const std::string& name, std::uint64_t elements);

  /// Throws Error("INVALID_ARGUMENT") where there is no block of this name.
  Block block(const std::string& name) const;

  /// Elements of a block from one on. Throws Error("INVALID_ARGUMENT") where they do not lie in it.
  Block range(const std::string& name, std::uint64_t first, std::uint64_t count) const;

  /// All numbers of a block or range, from or to the processor's memory. On the device's thread.
  void write(std::span<const float> from, const Block& to) const;
  void read(const Block& from, std::span<float> to) const;

  std::size_t bytes() const;

 private:
  struct Owned {
    std::shared_ptr<std::byte> data;
    std::uint64_t elements;
  };
  std::shared_ptr<DeviceMemory> memory_;
  std::map<std::string, Owned> blocks_;
};

}  // namespace ocrnet

#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace ocrnet {

/// A device's memory, which the processor need not be able to reach: how it is had, filled and read.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  /// All zero, aligned to kAlignment, freed with the last pointer. On any thread. Throws std::bad_alloc.
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
  /// The same with whatever lay there.
  virtual std::shared_ptr<std::byte> allocateUninitialised(std::size_t bytes) = 0;
  /// Both end when the bytes are where they belong. On the device's thread.
  virtual void write(std::span<const std::byte> from, std::byte* to) = 0;
  virtual void read(const std::byte* from, std::span<std::byte> to) = 0;
  /// Not in use by anybody; for messages.
  virtual std::size_t freeBytes() const = 0;
};

/// Uninitialised memory for what a plan needs. Throws Error("OUT_OF_MEMORY") with what was planned and what
/// is free.
std::shared_ptr<std::byte> allocateForPlan(DeviceMemory& memory, const char* what, std::size_t bytes);

/// Memory of the processor itself.
class HostMemory : public DeviceMemory {
 public:
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;
  std::shared_ptr<std::byte> allocateUninitialised(std::size_t bytes) override;
  void write(std::span<const std::byte> from, std::byte* to) override;
  void read(const std::byte* from, std::span<std::byte> to) override;
  std::size_t freeBytes() const override;
};

}  // namespace ocrnet

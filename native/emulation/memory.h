#pragma once

#include <cstddef>

namespace ocrnet::emulation {

/// What the emulated device has.
inline constexpr std::size_t kMemoryBytes = std::size_t{8} << 30;

/// Whether the bytes lie in memory of the device, or in pinned memory.
bool isAllocated(const void* first, std::size_t bytes);

}  // namespace ocrnet::emulation

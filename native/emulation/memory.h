#pragma once

#include <cstddef>

namespace ocrnet::emulation {

/// What the emulated device has.
inline constexpr std::size_t kMemoryBytes = std::size_t{8} << 30;

}  // namespace ocrnet::emulation

#pragma once

#include <cstddef>

namespace ocrnet {

/// Runs of a device that may be in flight at once: started and not finished.
inline constexpr std::size_t kRunsInFlight = 2;

}  // namespace ocrnet

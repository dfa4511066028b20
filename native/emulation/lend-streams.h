#pragma once

// A library for GPUs puts work into streams by way of the driver, which is not there. What stands in for one
// in the tests, and is loaded as it would be, is lent the emulated device's streams.

#include <dlfcn.h>

#include "emulation/streams.h"

namespace ocrnet::emulation {

using Enqueue = decltype(&enqueue);

/// Calls the library's ocrnetTakeStreams(enqueue); false where it has none, and so is one for real GPUs.
inline bool lendStreams(void* library) {
  void* const take = dlsym(library, "ocrnetTakeStreams");
  if (take) reinterpret_cast<void (*)(Enqueue)>(take)(&enqueue);
  return take != nullptr;
}

}  // namespace ocrnet::emulation

#pragma once

#include <functional>

#include "emulation/include/cuda_runtime.h"

namespace ocrnet::emulation {

/// Puts work into a stream, or, while that is captured, into its graph. Without a stream it runs at once.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace ocrnet::emulation

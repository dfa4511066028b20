#pragma once

// Streams of the emulated device. Work waits in its stream; whoever synchronises runs on its own thread what
// has to come before: what lies in front in the stream, and, where that waits for an event, what lies in
// front of the event in its stream. When all else runs is the policy's choice: at once, not before somebody
// needs it, or at random moments. A stream that does not wait where it should finds its data not yet there,
// or already gone.

#include <functional>

#include "emulation/include/cuda_runtime.h"

namespace ocrnet::emulation {

/// Puts work into a stream, or, while that is captured, into its graph. Without a stream it runs at once.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// Runs all that was put into the stream, unless it is captured.
void complete(cudaStream_t stream);

/// The GPU that was current when the stream was made.
int deviceOf(cudaStream_t stream);

/// Destroys all streams, graphs and events of the current GPU. What was to run never does.
void destroyStreams();

}  // namespace ocrnet::emulation

#pragma once

// What the optimisers share: flat vectors, of which state lies where it lay.

#include "cuda/check.h"
#include "cuda/flat-packs.h"

namespace ocrnet::cuda {

/// What a step may leave as it is, where its output is not the memory of the input: all outside of its range,
/// or all.
inline void keepRest(const StepMemory& memory, std::size_t input, std::size_t output, std::int64_t count,
                     cudaStream_t stream) {
  const std::byte* const from = memory.inputs[input];
  std::byte* const to = memory.outputs[output];
  if (to == nullptr || to == from) return;
  check(cudaMemcpyAsync(to, from, count * sizeof(float), cudaMemcpyDeviceToDevice, stream));
}

}  // namespace ocrnet::cuda

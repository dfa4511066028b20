#pragma once

#include "cuda/op.h"

namespace ocrnet::cuda {

/// Copies rows of `bytes`, one for each pixel, between places that are `stride` bytes apart.
void copyChannels(const Source& from, const Target& to, std::int64_t bytes, std::int64_t pixels,
                  cudaStream_t stream);

}  // namespace ocrnet::cuda

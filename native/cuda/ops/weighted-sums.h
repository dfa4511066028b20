#pragma once

// How the sums of pixel-attention.h are computed: by multiply-adds of any maps, or by tensor cores of
// maps of 16-bit numbers that can be read in packs of 16 bytes.

#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

/// Of shared memory, for terms of so many channels.
template <class T>
std::size_t tensorSumsBytes(std::int64_t width);

/// For BFloat16 or Float16 whose depth, channels, strides and addresses are multiples of 16 bytes.
template <class T>
void enqueueTensorSums(AttentionPass pass, const WeightedSums& sums, cudaStream_t stream);

}  // namespace ocrnet::cuda

#pragma once

// How the sums of pixel-attention.h are computed: by multiply-adds of any maps, or by tensor cores of
// bfloat16 maps that can be read in packs of 16 bytes.

#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

/// For bfloat16 whose depth, channels, strides and addresses are multiples of 16 bytes.
void enqueueTensorSums(AttentionPass pass, const WeightedSums& sums, cudaStream_t stream);

}  // namespace ocrnet::cuda

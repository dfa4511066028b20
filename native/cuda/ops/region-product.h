#pragma once

// The products of pixels and region vectors: scores, mixtures and sums. Each is put into a stream; arithmetic
// is that of tile-product.h.

#include "core/epilogue.h"
#include "cuda/op.h"

namespace ocrnet::cuda {

/// Of a product: `pixels` of one image; `channels` of features, vectors and results alike.
struct RegionSizes {
  std::int64_t images, pixels, classes, channels;
};

/// scores (N, pixels, K) in float32 = features (N, pixels, C) · vectors (N, K, C)ᵀ.
void enqueueScores(const Device& device, DataType type, const RegionSizes& sizes, Source features,
                   const void* vectors, Target scores, cudaStream_t stream);

/// y (N, pixels, C) = activation(regions (N, pixels, K), in float32, · vectors (N, K, C)).
void enqueueMixture(const Device& device, DataType type, const RegionSizes& sizes, Source regions,
                    const void* vectors, Target y, Epilogue epilogue, cudaStream_t stream);

/// y (N, K, C) = regions (N, pixels, K)ᵀ, in float32, · features (N, pixels, C).
void enqueueSums(const Device& device, DataType type, const RegionSizes& sizes, Source regions,
                 Source features, void* y, float* scratch, cudaStream_t stream);
std::size_t sumsScratchBytes(const RegionSizes& sizes);

}  // namespace ocrnet::cuda

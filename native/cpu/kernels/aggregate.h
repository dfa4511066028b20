#pragma once

// Sums over pixels of products of two of their vectors, a block of pixels at a time.

#include "cpu/kernels/product.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// The most pixels of a block: times kPanelColumns floats 16 KB at most, in the L1 cache.
inline constexpr std::int64_t kPanelPixels = 64;

/// Copies some channels of some pixels side by side as float32, the last vector filled up with zeros: pixels
/// that are a power of two apart would evict each other from the cache before all classes have read them.
template <class T>
inline void copyPanel(const T* features, std::int64_t stride, std::int64_t pixels, std::int64_t channels,
                      int vectors, float* panel) {
  for (std::int64_t i = 0; i < pixels; ++i, features += stride, panel += vectors * kLanes) {
    eachVector(channels, [&](std::int64_t c, auto lanes) { store(panel + c, load(features + c, lanes)); });
  }
}

/// sums (classes, channels of whole vectors, `sumStride` apart) += regionsᵀ · features over some pixels.
template <class T>
inline void aggregateBlock(const float* regions, std::int64_t regionStride, std::int64_t classes,
                           const T* features, std::int64_t featureStride, std::int64_t channels,
                           std::int64_t pixels, float* sums, std::int64_t sumStride) {
  alignas(64) float panel[kPanelPixels * kPanelColumns];
  for (std::int64_t channel = 0; channel < channels; channel += kPanelColumns) {
    const int vectors = vectorsOfPanel(channel, channels);
    const std::int64_t rest = channels - channel;
    copyPanel(features + channel, featureStride, pixels, rest < kPanelColumns ? rest : kPanelColumns, vectors,
              panel);
    productWithPanel(vectors, regions, 1, regionStride, classes, panel, pixels,
                     [&](std::int64_t k, int v, Vec sum) {
                       float* const total = sums + k * sumStride + channel + v * kLanes;
                       store(total, add(load(total), sum));
                     });
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

#pragma once

// The relation of pixels to regions, a block of pixels at a time: attendRegions and its gradient.

#include <limits>

#include "cpu/kernels/product.h"
#include "cpu/simd-exp.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// Softmax over the first `classes` of a row of whole vectors.
inline void softmax(float* row, std::int64_t classes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::int64_t padded = wholeVectors(classes);
  for (std::int64_t k = classes; k < padded; ++k) row[k] = -kInfinity;
  Vec maxima = broadcast(-kInfinity), sums = zero();
  for (std::int64_t k = 0; k < padded; k += kLanes) maxima = max(maxima, load(row + k));
  const Vec maximum = broadcast(reduce(maxima, [](float a, float b) { return a > b ? a : b; }));
  for (std::int64_t k = 0; k < padded; k += kLanes) {
    const Vec power = exp(sub(load(row + k), maximum));
    store(row + k, power);
    sums = add(sums, power);
  }
  const Vec factor = broadcast(1 / reduce(sums, [](float a, float b) { return a + b; }));
  for (std::int64_t k = 0; k < padded; k += kLanes) store(row + k, mul(load(row + k), factor));
}

/// relation (pixels, classes of whole vectors) = softmax(scale · queries · keyᵀ), 0 beyond the classes.
inline void relate(const float* queries, std::int64_t stride, std::int64_t pixels, const float* packedKey,
                   std::int64_t depth, std::int64_t classes, float factor, float* relation) {
  const std::int64_t paddedClasses = wholeVectors(classes);
  const Vec scale = broadcast(factor);
  product(queries, stride, pixels, packedKey, depth, classes,
          [&](std::int64_t pixel, std::int64_t k, Vec sum) {
            store(relation + pixel * paddedClasses + k, mul(scale, sum));
          });
  for (std::int64_t i = 0; i < pixels; ++i) softmax(relation + i * paddedClasses, classes);
}

}  // namespace ocrnet::cpu::OCRNET_ISA

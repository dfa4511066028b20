#pragma once

// kLanes pixels are as many vectors as there are classes, and lane j of vector v always belongs to class
// (v · kLanes + j) mod classes: what is kept for each class is kept in a row of that length, so that every
// lane works however few the classes are.

#include <cstring>

#include "core/range.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// values (classes), kLanes times one after another.
inline void repeat(const float* values, std::int64_t classes, float* row) {
  for (int i = 0; i < kLanes; ++i) std::memcpy(row + i * classes, values, classes * sizeof(float));
}

/// The sums of a row's values by class.
inline void sumRow(const float* row, std::int64_t classes, float* sum) {
  for (std::int64_t c = 0; c < classes; ++c) {
    sum[c] = 0;
    for (int j = 0; j < kLanes; ++j) sum[c] += row[j * classes + c];
  }
}

/// body(offset in (pixels, classes), offset in the row, lanes) for each vector of some pixels.
template <class Body>
inline void eachRegionVector(std::int64_t classes, Range pixels, const Body& body) {
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kLanes) {
    const std::int64_t inside = pixels.end - pixel < kLanes ? pixels.end - pixel : kLanes;
    eachVector(inside * classes, [&](std::int64_t i, auto lanes) { body(pixel * classes + i, i, lanes); });
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

// Softmax over the pixels of each class. kLanes pixels are as many vectors as there are classes, and lane j
// of vector v always belongs to class (v · kLanes + j) mod classes: maxima, sums and factors are kept in a
// row of that length, so that every lane works however few the classes are.

#include <cstring>
#include <limits>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"
#include "cpu/simd-exp.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// values (classes), kLanes times one after another.
void repeat(const float* values, std::int64_t classes, float* row) {
  for (int i = 0; i < kLanes; ++i) std::memcpy(row + i * classes, values, classes * sizeof(float));
}

void fill(float* row, std::int64_t count, float value) {
  for (std::int64_t i = 0; i < count; ++i) row[i] = value;
}

/// body(region values, offset in the row, lanes) for each vector of the block.
template <class Body>
void eachRegionVector(const SpatialSoftmax& s, Range pixels, const Body& body) {
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kLanes) {
    const std::int64_t inside = pixels.end - pixel < kLanes ? pixels.end - pixel : kLanes;
    float* const group = s.regions + pixel * s.classes;
    eachVector(inside * s.classes, [&](std::int64_t i, auto lanes) { body(group + i, i, lanes); });
  }
}

template <class T>
void scaleLogits(const SpatialSoftmax& s, Range pixels) {
  const Vec scale = broadcast(s.scale);
  const bool dense = s.logits.stride == s.classes;
  const std::int64_t count = dense ? pixels.size() * s.classes : s.classes;
  const std::int64_t end = dense ? pixels.first + 1 : pixels.end;
  for (std::int64_t pixel = pixels.first; pixel < end; ++pixel) {
    const T* const logits = static_cast<const T*>(s.logits.data) + pixel * s.logits.stride;
    float* const scaled = s.regions + pixel * s.classes;
    eachVector(count, [&](std::int64_t i, auto lanes) {
      store(scaled + i, mul(scale, load(logits + i, lanes)), lanes);
    });
  }
}

}  // namespace

void exponentiateRegions(const SpatialSoftmax& s, Range pixels, float* maximum, float* sum) {
  const std::int64_t rowLength = s.classes * kLanes;
  float *const maxima = s.rows, *const sums = s.rows + rowLength;
  withFloatType(s.type, [&](auto type) { scaleLogits<decltype(type)>(s, pixels); });

  fill(maxima, rowLength, -std::numeric_limits<float>::infinity());
  eachRegionVector(s, pixels, [&](const float* value, std::int64_t i, auto lanes) {
    store(maxima + i, max(load(maxima + i), load(value, lanes)), lanes);
  });
  for (std::int64_t c = 0; c < s.classes; ++c) {
    maximum[c] = maxima[c];
    for (int j = 1; j < kLanes; ++j) {
      if (maxima[j * s.classes + c] > maximum[c]) maximum[c] = maxima[j * s.classes + c];
    }
    // A block of −∞ alone: e^(−∞ − 0) is the 0 that it contributes.
    sum[c] = maximum[c] == -std::numeric_limits<float>::infinity() ? 0 : maximum[c];
  }
  repeat(sum, s.classes, maxima);

  fill(sums, rowLength, 0);
  eachRegionVector(s, pixels, [&](float* value, std::int64_t i, auto lanes) {
    const Vec power = exp(sub(load(value, lanes), load(maxima + i)));
    store(value, power, lanes);
    store(sums + i, add(load(sums + i), power), lanes);
  });
  for (std::int64_t c = 0; c < s.classes; ++c) {
    sum[c] = 0;
    for (int j = 0; j < kLanes; ++j) sum[c] += sums[j * s.classes + c];
  }
}

void scaleRegions(const SpatialSoftmax& s, Range pixels, const float* factor) {
  repeat(factor, s.classes, s.rows);
  eachRegionVector(s, pixels, [&](float* value, std::int64_t i, auto lanes) {
    store(value, mul(load(value, lanes), load(s.rows + i)), lanes);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

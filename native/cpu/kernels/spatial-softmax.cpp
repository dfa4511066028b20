// Softmax over the pixels of each class; maxima, sums and factors in rows, see region-rows.h.

#include <limits>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/region-rows.h"
#include "cpu/kernels/table.h"
#include "cpu/simd-exp.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

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
  eachRegionVector(s.classes, pixels, [&](std::int64_t at, std::int64_t i, auto lanes) {
    store(maxima + i, max(load(maxima + i), load(s.regions + at, lanes)), lanes);
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
  eachRegionVector(s.classes, pixels, [&](std::int64_t at, std::int64_t i, auto lanes) {
    const Vec power = exp(sub(load(s.regions + at, lanes), load(maxima + i)));
    store(s.regions + at, power, lanes);
    store(sums + i, add(load(sums + i), power), lanes);
  });
  sumRow(sums, s.classes, sum);
}

void scaleRegions(const SpatialSoftmax& s, Range pixels, const float* factor) {
  repeat(factor, s.classes, s.rows);
  eachRegionVector(s.classes, pixels, [&](std::int64_t at, std::int64_t i, auto lanes) {
    store(s.regions + at, mul(load(s.regions + at, lanes), load(s.rows + i)), lanes);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

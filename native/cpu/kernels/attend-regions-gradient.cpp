// A block of pixels at a time, with the names of lib/ops/attend-regions.ts: the relation w anew, s = dy ·
// valueᵀ, which becomes dw where it stands, then dQuery = dw · key and the block's parts of dKey = dwᵀ ·
// query and dValue = wᵀ · dy. The relations of a block stay in the cache.

#include "cpu/kernels/aggregate.h"
#include "cpu/kernels/relation.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// scores = scale · relation · (scores − Σ relation · scores), for each pixel.
void throughSoftmax(const AttendRegionsGradient& a, std::int64_t pixels) {
  const std::int64_t paddedClasses = wholeVectors(a.classes);
  const Vec scale = broadcast(a.scale);
  for (std::int64_t i = 0; i < pixels; ++i) {
    const float* const relation = a.relation + i * paddedClasses;
    float* const scores = a.scores + i * paddedClasses;
    Vec sums = zero();
    eachVector(a.classes, [&](std::int64_t k, auto lanes) {
      sums = fma(load(relation + k, lanes), load(scores + k, lanes), sums);
    });
    const Vec mean = broadcast(reduce(sums, [](float x, float y) { return x + y; }));
    eachVector(a.classes, [&](std::int64_t k, auto lanes) {
      const Vec part = mul(load(relation + k, lanes), sub(load(scores + k, lanes), mean));
      store(scores + k, mul(scale, part), lanes);
    });
  }
}

void differentiateBlock(const AttendRegionsGradient& a, std::int64_t firstPixel, std::int64_t pixels) {
  const std::int64_t paddedClasses = wholeVectors(a.classes);
  const float* const query = static_cast<const float*>(a.query.data) + firstPixel * a.query.stride;
  const float* const dy = static_cast<const float*>(a.dy.data) + firstPixel * a.dy.stride;
  relate(query, a.query.stride, pixels, a.packedKey, a.depth, a.classes, a.scale, a.relation);
  if (a.dValue) {
    aggregateBlock(a.relation, paddedClasses, a.classes, dy, a.dy.stride, a.channels, pixels, a.dValue,
                   a.paddedChannels);
  }
  if (!a.dQuery.data && !a.dKey) return;

  product(
      dy, a.dy.stride, pixels, a.packedValue, a.channels, a.classes,
      [&](std::int64_t pixel, std::int64_t k, Vec sum) { store(a.scores + pixel * paddedClasses + k, sum); });
  throughSoftmax(a, pixels);
  if (a.dKey) {
    aggregateBlock(a.scores, paddedClasses, a.classes, query, a.query.stride, a.depth, pixels, a.dKey,
                   a.paddedDepth);
  }
  if (!a.dQuery.data) return;
  float* const dQuery = static_cast<float*>(a.dQuery.data) + firstPixel * a.dQuery.stride;
  product(a.scores, paddedClasses, pixels, a.packedKeyRows, a.classes, a.depth,
          [&](std::int64_t pixel, std::int64_t d, Vec sum) {
            float* const out = dQuery + pixel * a.dQuery.stride + d;
            if (d + kLanes <= a.depth) return store(out, sum);
            storeFirst(out, sum, a.depth - d);
          });
}

}  // namespace

void attendRegionsGradient(const AttendRegionsGradient& a, Range pixels) {
  static_assert(kAttendedPixels <= kPanelPixels);
  const auto clear = [&](float* sums, std::int64_t padded) {
    for (std::int64_t i = 0; sums && i < a.classes * padded; ++i) sums[i] = 0;
  };
  clear(a.dKey, a.paddedDepth);
  clear(a.dValue, a.paddedChannels);
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kAttendedPixels) {
    const std::int64_t rest = pixels.end - pixel;
    differentiateBlock(a, pixel, rest < kAttendedPixels ? rest : kAttendedPixels);
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

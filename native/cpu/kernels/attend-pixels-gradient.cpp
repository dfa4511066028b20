// The gradients' part of some queries and some keys, with the names of lib/ops/attend-pixels.ts. As in
// attend-pixels.cpp weights have the keys as rows, a group of queries and a block of keys at a time:
//
//     w = exp(key · queryᵀ − logSumExp)    dw = w ∘ (value · dyᵀ − dy · y)
//     dValue += w · dy      dKey += dw · query      dQuery += dwᵀ · key
//
// the scale being a factor of the queries as they are packed, and of what is added to dQuery. The five
// products read keys and values as they lie, and packed copies of the group's queries and dy, by rows and by
// columns, and of the block's keys.

#include "cpu/kernels/pixel-panels.h"
#include "cpu/kernels/table.h"
#include "cpu/simd-exp.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

const float* floats(const Source& source, std::int64_t pixel) {
  return static_cast<const float*>(source.data) + pixel * source.stride;
}

float* floats(const Target& target, std::int64_t pixel) {
  return static_cast<float*>(target.data) + pixel * target.stride;
}

/// finish for product: adds the sums, times a factor, to rows of `columns`.
auto addTo(float* rows, std::int64_t stride, std::int64_t columns, float factor) {
  return [=](std::int64_t row, std::int64_t column, Vec sum) {
    float* const total = rows + row * stride + column;
    if (column + kLanes <= columns) return store(total, fma(broadcast(factor), sum, load(total)));
    const First lanes{columns - column};
    store(total, fma(broadcast(factor), sum, load(total, lanes)), lanes);
  };
}

auto storeWeights(float* weights) {
  return [=](std::int64_t key, std::int64_t query, Vec sum) {
    store(weights + key * kWeightStride + query, sum);
  };
}

void packQueries(const AttendPixelsGradient& a, Range queries) {
  const std::int64_t count = queries.size();
  const float *const query = floats(a.query, queries.first), *const dy = floats(a.dy, queries.first);
  packTransposedPixels(query, a.query.stride, count, a.depth, a.scale, a.queryColumns);
  if (a.dKey.data) packPixels(query, a.query.stride, count, a.depth, a.scale, a.queryRows);
  if (a.dQuery.data || a.dKey.data) packTransposedPixels(dy, a.dy.stride, count, a.channels, 1, a.dyColumns);
  if (a.dValue.data) packPixels(dy, a.dy.stride, count, a.channels, 1, a.dyRows);

  for (std::int64_t i = 0; i < kAttentionGroup; ++i) {
    a.logSumExp[i] = i < count ? *floats(a.logSumExps, queries.first + i) : 0;
    if (i >= count) {
      a.means[i] = 0;
      continue;
    }
    const float* const y = floats(a.y, queries.first + i);
    Vec sum = zero();
    eachVector(a.channels, [&](std::int64_t c, auto lanes) {
      sum = fma(load(dy + i * a.dy.stride + c, lanes), load(y + c, lanes), sum);
    });
    a.means[i] = reduce(sum, [](float x, float z) { return x + z; });
  }
}

/// weights = exp(weights − logSumExp).
void exponentiate(const AttendPixelsGradient& a, std::int64_t keys, std::int64_t queries) {
  for (std::int64_t i = 0; i < queries; i += kLanes) {
    const Vec logSumExp = load(a.logSumExp + i);
    for (std::int64_t k = 0; k < keys; ++k) {
      float* const weight = a.weights + k * kWeightStride + i;
      store(weight, exp(sub(load(weight), logSumExp)));
    }
  }
}

/// No weights between queries and keys at the same place.
void exceptOwn(const AttendPixelsGradient& a, Range queries, Range keys) {
  for (std::int64_t i = queries.first; i < queries.end; ++i) {
    if (i < keys.first || i >= keys.end) continue;
    a.weights[(i - keys.first) * kWeightStride + i - queries.first] = 0;
  }
}

/// scores = weights ∘ (scores − means).
void throughSoftmax(const AttendPixelsGradient& a, std::int64_t keys, std::int64_t queries) {
  for (std::int64_t i = 0; i < queries; i += kLanes) {
    const Vec mean = load(a.means + i);
    for (std::int64_t k = 0; k < keys; ++k) {
      const std::int64_t at = k * kWeightStride + i;
      store(a.scores + at, mul(load(a.weights + at), sub(load(a.scores + at), mean)));
    }
  }
}

void differentiate(const AttendPixelsGradient& a, Range queries, Range keys) {
  const float *const key = floats(a.key, keys.first), *const value = floats(a.value, keys.first);
  product(key, a.key.stride, 1, keys.size(), a.queryColumns, a.depth, queries.size(),
          storeWeights(a.weights));
  exponentiate(a, keys.size(), queries.size());
  if (a.exceptOwn) exceptOwn(a, queries, keys);
  if (a.dValue.data) {
    product(a.weights, kWeightStride, 1, keys.size(), a.dyRows, queries.size(), a.channels,
            addTo(floats(a.dValue, keys.first), a.dValue.stride, a.channels, 1));
  }
  if (!a.dQuery.data && !a.dKey.data) return;

  product(value, a.value.stride, 1, keys.size(), a.dyColumns, a.channels, queries.size(),
          storeWeights(a.scores));
  throughSoftmax(a, keys.size(), queries.size());
  if (a.dKey.data) {
    product(a.scores, kWeightStride, 1, keys.size(), a.queryRows, queries.size(), a.depth,
            addTo(floats(a.dKey, keys.first), a.dKey.stride, a.depth, 1));
  }
  if (a.dQuery.data) {
    packPixels(key, a.key.stride, keys.size(), a.depth, 1, a.keyRows);
    product(a.scores, 1, kWeightStride, queries.size(), a.keyRows, keys.size(), a.depth,
            addTo(floats(a.dQuery, queries.first), a.dQuery.stride, a.depth, a.scale));
  }
}

/// body(range) for parts of so many of a range, the last perhaps smaller.
template <class Body>
void eachPart(Range range, std::int64_t count, const Body& body) {
  for (std::int64_t i = range.first; i < range.end; i += count) {
    body(Range{i, i + count < range.end ? i + count : range.end});
  }
}

}  // namespace

void attendPixelsGradient(const AttendPixelsGradient& a, Range queries, Range keys) {
  eachPart(queries, kAttentionGroup, [&](Range group) {
    packQueries(a, group);
    eachPart(keys, kGradientKeys, [&](Range block) { differentiate(a, group, block); });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

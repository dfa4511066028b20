// Online softmax. A block of queries passes over all keys, a block of keys at a time:
//
//     s = key · queryᵀ          m′ = max(m, max s)      p = exp(s − m′)
//     factor = exp(m − m′)      total = factor · total + Σ p      sums = factor · sums + pᵀ · value
//
// and in the end y = sums / total, logSumExp = m + ln total. The scores are held with the keys as rows: then
// keys need no packing, since they are the left operand as they lie in memory; maxima and sums over the keys
// are taken lane by lane; and the weights are the left operand of the second product as they lie, too, read
// by columns. Queries are transposed once, and values copied into panels once for all queries of the block.
//
// For 64 queries at a time scores, queries, sums and the block's keys and values stay in the second-level
// cache.

#include <limits>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/float-rows.h"
#include "cpu/kernels/pixel-panels.h"
#include "cpu/kernels/table.h"
#include "cpu/simd-exp.h"
#include "cpu/simd-log.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

static_assert(kAttentionGroup % kPanelColumns == 0);

/// A block of keys and values.
struct KeyBlock {
  std::int64_t first, keys;
  FloatRows rows;
};

/// The keys as rows in float32: as they lie where they can stay.
template <class T>
FloatRows keyRows(const AttendPixels& a, std::int64_t first, std::int64_t keys) {
  if (!a.keyRows) return floatRows(a.type, a.key, first, keys, a.depth, nullptr);
  copyPixels(static_cast<const T*>(a.key.data) + first * a.key.stride, a.key.stride, keys, a.depth,
             a.keyRows);
  return {a.keyRows, a.depth};
}

/// A group of queries.
struct Group {
  std::int64_t first, count;
  const float* panels;
  float *maximum, *total, *factor, *sums;
};

/// The scores of queries and keys at the same place become −∞.
void exceptOwn(const AttendPixels& a, const Group& g, const KeyBlock& block) {
  for (std::int64_t i = 0; i < g.count; ++i) {
    const std::int64_t key = g.first + i - block.first;
    if (key < 0 || key >= block.keys) continue;
    a.weights[key * kWeightStride + i] = -std::numeric_limits<float>::infinity();
  }
}

void takeMaxima(const AttendPixels& a, const Group& g, std::int64_t keys) {
  for (std::int64_t i = 0; i < wholeVectors(g.count); i += kLanes) {
    const Vec before = load(g.maximum + i);
    Vec maximum = before;
    for (std::int64_t k = 0; k < keys; ++k) maximum = max(maximum, load(a.weights + k * kWeightStride + i));
    const Vec factor = exp(sub(before, maximum));
    Vec sum = zero();
    for (std::int64_t k = 0; k < keys; ++k) {
      float* const weight = a.weights + k * kWeightStride + i;
      const Vec power = exp(sub(load(weight), maximum));
      store(weight, power);
      sum = add(sum, power);
    }
    store(g.maximum + i, maximum);
    store(g.factor + i, factor);
    store(g.total + i, fma(factor, load(g.total + i), sum));
  }
}

void attendKeys(const AttendPixels& a, const Group& g, const KeyBlock& block) {
  product(block.rows.data, block.rows.stride, 1, block.keys, g.panels, a.depth, g.count,
          [weights = a.weights](std::int64_t key, std::int64_t query, Vec sum) {
            store(weights + key * kWeightStride + query, sum);
          });
  if (a.exceptOwn) exceptOwn(a, g, block);
  takeMaxima(a, g, block.keys);
  product(a.weights, 1, kWeightStride, g.count, a.values, block.keys, a.channels,
          [sums = g.sums, factor = g.factor, stride = wholeVectors(a.channels)](std::int64_t query,
                                                                                std::int64_t c, Vec sum) {
            float* const total = sums + query * stride + c;
            store(total, fma(broadcast(factor[query]), load(total), sum));
          });
}

template <class T>
void attendBlock(const AttendPixels& a, Range queries) {
  const std::int64_t count = queries.size(), stride = wholeVectors(a.channels);
  const T* const query = static_cast<const T*>(a.query.data) + queries.first * a.query.stride;
  float *const maximum = a.state, *const total = maximum + kAttentionBlock,
               *const factor = total + kAttentionBlock;
  packTransposedPixels(query, a.query.stride, count, a.depth, a.scale, a.queries);
  for (std::int64_t i = 0; i < wholeVectors(count); ++i) {
    maximum[i] = -std::numeric_limits<float>::max();  // not −∞: then even a block of −∞ has a difference
    total[i] = 0;
  }
  for (std::int64_t i = 0; i < count * stride; ++i) a.sums[i] = 0;

  for (std::int64_t first = 0; first < a.keys; first += a.keyBlock) {
    const std::int64_t rest = a.keys - first, keys = rest < a.keyBlock ? rest : a.keyBlock;
    const FloatRows rows = keyRows<T>(a, first, keys);
    packPixels(static_cast<const T*>(a.value.data) + first * a.value.stride, a.value.stride, keys, a.channels,
               1, a.values);
    for (std::int64_t i = 0; i < count; i += kAttentionGroup) {
      const std::int64_t left = count - i;
      attendKeys(a,
                 {queries.first + i, left < kAttentionGroup ? left : kAttentionGroup, a.queries + i * a.depth,
                  maximum + i, total + i, factor + i, a.sums + i * stride},
                 {first, keys, rows});
    }
  }

  T* const y = static_cast<T*>(a.y.data) + queries.first * a.y.stride;
  for (std::int64_t i = 0; i < count; ++i) {
    const Vec share = broadcast(1 / total[i]);
    eachVector(a.channels, [&](std::int64_t c, auto lanes) {
      store(y + i * a.y.stride + c, mul(share, load(a.sums + i * stride + c)), lanes);
    });
  }
  if (!a.logSumExp.data) return;
  for (std::int64_t i = 0; i < count; i += kLanes)
    store(maximum + i, add(load(maximum + i), log(load(total + i))));
  float* const logSumExp = static_cast<float*>(a.logSumExp.data) + queries.first * a.logSumExp.stride;
  for (std::int64_t i = 0; i < count; ++i) logSumExp[i * a.logSumExp.stride] = maximum[i];
}

}  // namespace

void attendPixels(const AttendPixels& a, Range queries) {
  withFloatType(a.type, [&](auto type) {
    for (std::int64_t i = queries.first; i < queries.end; i += kAttentionBlock) {
      const std::int64_t end = i + kAttentionBlock;
      attendBlock<decltype(type)>(a, {i, end < queries.end ? end : queries.end});
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

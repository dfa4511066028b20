#include <limits>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"
#include "cpu/simd-exp.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// What lanes that are not loaded hold instead: nothing of the maximum, nothing of the sum.
inline Vec beyond(Vec x, Whole) { return x; }
inline Vec beyond(Vec x, First lanes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return firstIndices() < static_cast<std::int32_t>(lanes.count) ? x : broadcast(-kInfinity);
}

template <class T>
void softmaxOfPixel(const T* x, std::int64_t channels, Vec scale, float* y) {
  const auto scaled = [&](std::int64_t c, auto lanes) {
    return beyond(mul(scale, load(x + c, lanes)), lanes);
  };
  Vec maxima = broadcast(-std::numeric_limits<float>::infinity()), sums = zero();
  eachVector(channels, [&](std::int64_t c, auto lanes) { maxima = max(maxima, scaled(c, lanes)); });
  const Vec maximum = reduceAll(maxima, [](Vec a, Vec b) { return max(a, b); });
  // y may be x.
  eachVector(channels, [&](std::int64_t c, auto lanes) {
    const Vec power = exp(sub(scaled(c, lanes), maximum));
    store(y + c, power, lanes);
    sums = add(sums, power);
  });
  const Vec factor = broadcast(1) / reduceAll(sums, [](Vec a, Vec b) { return add(a, b); });
  eachVector(channels,
             [&](std::int64_t c, auto lanes) { store(y + c, mul(load(y + c, lanes), factor), lanes); });
}

}  // namespace

void softmax(const Softmax& s, Range pixels) {
  withFloatType(s.type, [&](auto type) {
    const auto* const x = static_cast<const decltype(type)*>(s.x.data);
    auto* const y = static_cast<float*>(s.y.data);
    for (std::int64_t i = pixels.first; i < pixels.end; ++i) {
      softmaxOfPixel(x + i * s.x.stride, s.channels, broadcast(s.scale), y + i * s.y.stride);
    }
  });
}

void softmaxGradient(const SoftmaxGradient& s, Range pixels) {
  const Vec scale = broadcast(s.scale);
  for (std::int64_t i = pixels.first; i < pixels.end; ++i) {
    const auto* const y = static_cast<const float*>(s.y.data) + i * s.y.stride;
    const auto* const dy = static_cast<const float*>(s.dy.data) + i * s.dy.stride;
    auto* const dx = static_cast<float*>(s.dx.data) + i * s.dx.stride;
    Vec sums = zero();
    eachVector(s.channels, [&](std::int64_t c, auto lanes) {
      sums = fma(load(y + c, lanes), load(dy + c, lanes), sums);
    });
    const Vec mean = reduceAll(sums, [](Vec a, Vec b) { return add(a, b); });
    eachVector(s.channels, [&](std::int64_t c, auto lanes) {
      const Vec part = mul(load(y + c, lanes), sub(load(dy + c, lanes), mean));
      store(dx + c, mul(scale, part), lanes);
    });
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

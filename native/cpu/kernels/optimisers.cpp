// One pass over flat vectors, at the speed of memory.

#include "cpu/kernels/table.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

void sgd(const Sgd& s, Range range) {
  const Vec gradientScale = broadcast(s.gradientScale), weightDecay = broadcast(s.weightDecay);
  const Vec momentum = broadcast(s.momentum), rate = broadcast(s.rate);
  eachVector(range.size(), [&](std::int64_t offset, auto lanes) {
    const std::int64_t i = range.first + offset;
    const Vec parameter = load(s.parameters + i, lanes);
    const Vec g = fma(load(s.gradients + i, lanes), gradientScale, mul(weightDecay, parameter));
    const Vec velocity = fma(momentum, load(s.velocity + i, lanes), g);
    if (s.newVelocity) store(s.newVelocity + i, velocity, lanes);
    const Vec direction = s.nesterov ? fma(momentum, velocity, g) : velocity;
    store(s.newParameters + i, fnma(rate, direction, parameter), lanes);
  });
}

void adamW(const AdamW& a, Range range) {
  const Vec gradientScale = broadcast(a.gradientScale), kept = broadcast(a.kept);
  const Vec beta1 = broadcast(a.beta1), beta2 = broadcast(a.beta2);
  const Vec part1 = broadcast(a.part1), part2 = broadcast(a.part2);
  const Vec rate = broadcast(a.rate), rootScale = broadcast(a.rootScale), epsilon = broadcast(a.epsilon);
  eachVector(range.size(), [&](std::int64_t offset, auto lanes) {
    const std::int64_t i = range.first + offset;
    const Vec g = mul(load(a.gradients + i, lanes), gradientScale);
    const Vec first = fma(beta1, load(a.firstMoment + i, lanes), mul(part1, g));
    const Vec second = fma(beta2, load(a.secondMoment + i, lanes), mul(part2, mul(g, g)));
    if (a.newFirstMoment) store(a.newFirstMoment + i, first, lanes);
    if (a.newSecondMoment) store(a.newSecondMoment + i, second, lanes);
    const Vec step = mul(rate, first) / fma(sqrt(second), rootScale, epsilon);
    store(a.newParameters + i, sub(mul(kept, load(a.parameters + i, lanes)), step), lanes);
  });
}

void weightedSum(const WeightedSum& w, Range range) {
  const Vec keep = broadcast(w.keep), scale = broadcast(w.scale);
  eachVector(range.size(), [&](std::int64_t offset, auto lanes) {
    const std::int64_t i = range.first + offset;
    const Vec part = mul(scale, load(w.part + i, lanes));
    store(w.newTotal + i, w.total ? fma(keep, load(w.total + i, lanes), part) : part, lanes);
  });
}

double sumOfSquares(const float* x, Range range) {
  typedef double DoubleVec __attribute__((vector_size(kLanes * 8)));
  DoubleVec sums[2] = {};
  std::int64_t i = range.first;
  for (; i + 2 * kLanes <= range.end; i += 2 * kLanes) {
    for (int v = 0; v < 2; ++v) {
      const DoubleVec value = __builtin_convertvector(load(x + i + v * kLanes), DoubleVec);
      sums[v] += value * value;
    }
  }
  double total = 0;
  for (; i < range.end; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (int lane = 0; lane < kLanes; ++lane) total += sums[0][lane] + sums[1][lane];
  return total;
}

}  // namespace ocrnet::cpu::OCRNET_ISA

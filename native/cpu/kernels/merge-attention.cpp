// With l = ln(exp(a) + exp(b)) of the two sets' logSumExp a and b: y = exp(a − l) · y + exp(b − l) · other.

#include <cmath>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

template <class T>
void mergePixel(const MergeAttention& m, std::int64_t pixel) {
  float& logSumExp = static_cast<float*>(m.logSumExp.data)[pixel * m.logSumExp.stride];
  const float own = logSumExp,
              other = static_cast<const float*>(m.otherLogSumExp.data)[pixel * m.otherLogSumExp.stride];
  const float larger = own > other ? own : other;
  logSumExp = larger + std::log1p(std::exp(-std::abs(own - other)));
  const Vec share = broadcast(std::exp(own - logSumExp)), otherShare = broadcast(std::exp(other - logSumExp));
  T* const y = static_cast<T*>(m.y.data) + pixel * m.y.stride;
  const T* const otherY = static_cast<const T*>(m.otherY.data) + pixel * m.otherY.stride;
  eachVector(m.channels, [&](std::int64_t c, auto lanes) {
    store(y + c, fma(share, load(y + c, lanes), mul(otherShare, load(otherY + c, lanes))), lanes);
  });
}

}  // namespace

void mergeAttention(const MergeAttention& m, Range pixels) {
  withFloatType(m.type, [&](auto type) {
    for (std::int64_t i = pixels.first; i < pixels.end; ++i) mergePixel<decltype(type)>(m, i);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

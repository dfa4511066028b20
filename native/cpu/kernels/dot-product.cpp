#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

double dotProduct(const DotProduct& d, Range pixels) {
  typedef double DoubleVec __attribute__((vector_size(kLanes * 8)));
  // Dense pixels are one long row: few channels then fill the lanes too.
  const bool flat = d.a.stride == d.channels && d.b.stride == d.channels;
  const std::int64_t count = flat ? pixels.size() * d.channels : d.channels;
  const std::int64_t end = flat ? pixels.first + 1 : pixels.end;
  DoubleVec sums{};
  withFloatType(d.type, [&](auto type) {
    for (std::int64_t pixel = pixels.first; pixel < end; ++pixel) {
      const auto* const a = static_cast<const decltype(type)*>(d.a.data) + pixel * d.a.stride;
      const auto* const b = static_cast<const decltype(type)*>(d.b.data) + pixel * d.b.stride;
      eachVector(count, [&](std::int64_t i, auto lanes) {
        sums += __builtin_convertvector(load(a + i, lanes), DoubleVec) *
                __builtin_convertvector(load(b + i, lanes), DoubleVec);
      });
    }
  });
  double total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += sums[lane];
  return total;
}

}  // namespace ocrnet::cpu::OCRNET_ISA

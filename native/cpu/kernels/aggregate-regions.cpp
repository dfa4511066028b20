#include "cpu/kernels/aggregate.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

void aggregateRegions(const AggregateRegions& a, Range pixels) {
  for (std::int64_t i = 0; i < a.classes * a.paddedChannels; ++i) a.sums[i] = 0;
  withFloatType(a.type, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kPanelPixels) {
      const std::int64_t rest = pixels.end - pixel;
      aggregateBlock(a.regions + pixel * a.classes, a.classes, a.classes,
                     static_cast<const T*>(a.features.data) + pixel * a.features.stride, a.features.stride,
                     a.channels, rest < kPanelPixels ? rest : kPanelPixels, a.sums, a.paddedChannels);
    }
  });
}

void combineRegionSums(const AggregateRegions& a, std::int64_t count, Range classes, void* y) {
  withFloatType(a.type, [&](auto type) {
    for (std::int64_t k = classes.first; k < classes.end; ++k) {
      auto* const out = static_cast<decltype(type)*>(y) + k * a.channels;
      eachVector(a.channels, [&](std::int64_t c, auto lanes) {
        Vec total = zero();
        for (std::int64_t i = 0; i < count; ++i)
          total = add(total, load(a.sums + (i * a.classes + k) * a.paddedChannels + c));
        store(out + c, total, lanes);
      });
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

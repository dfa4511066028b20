#include <algorithm>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

template <class T>
void multiply(const T* x, const float* factors, T* y, std::int64_t count) {
  eachVector(count, [&](std::int64_t i, auto lanes) {
    store(y + i, mul(load(x + i, lanes), load(factors + i, lanes)), lanes);
  });
}

}  // namespace

void drawFactors(const DropoutMask& mask, const std::int32_t* noise, std::int64_t sample, Range quads,
                 float* factors) {
  for (std::int64_t quad = quads.first; quad < quads.end; ++quad) {
    for (const std::uint32_t word : mask.words(noise, sample, quad)) *factors++ = mask.factor(word);
  }
}

void dropout(const Dropout& d, Range pixels) {
  constexpr std::int64_t kPart = 256;  // channels whose factors are drawn at a time
  withFloatType(d.type, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel) {
      const std::int64_t sample = pixel / d.samplePixels;
      const T* const x = static_cast<const T*>(d.x.data) + pixel * d.x.stride;
      T* const y = static_cast<T*>(d.y.data) + pixel * d.y.stride;
      if (d.channelFactors) {
        multiply(x, d.channelFactors + sample * d.factorStride, y, d.channels);
        continue;
      }
      for (std::int64_t channel = 0; channel < d.channels; channel += kPart) {
        const std::int64_t count = std::min(kPart, d.channels - channel);
        const std::int64_t place = pixel % d.samplePixels * d.channels + channel, quad = place / 4;
        float factors[kPart + 8];
        drawFactors(d.mask, d.noise, sample, {quad, (place + count + 3) / 4}, factors);
        multiply(x + channel, factors + (place - 4 * quad), y + channel, count);
      }
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

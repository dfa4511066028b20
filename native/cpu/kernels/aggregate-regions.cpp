#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/product.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

inline constexpr std::int64_t kBlockPixels =
    64;  // times kPanelColumns floats: 16 KB at most, in the L1 cache

/// Copies some channels of some pixels side by side as float32, the last vector filled up with zeros: pixels
/// that are a power of two apart would evict each other from the cache before all classes have read them.
template <class T>
void copyPanel(const Source& features, Range pixels, std::int64_t channel, std::int64_t channels, int vectors,
               float* panel) {
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel, panel += vectors * kLanes) {
    const T* const x = static_cast<const T*>(features.data) + pixel * features.stride + channel;
    eachVector(channels, [&](std::int64_t c, auto lanes) { store(panel + c, load(x + c, lanes)); });
  }
}

}  // namespace

void aggregateRegions(const AggregateRegions& a, Range pixels) {
  alignas(64) float panel[kBlockPixels * kPanelColumns];
  for (std::int64_t i = 0; i < a.classes * a.paddedChannels; ++i) a.sums[i] = 0;
  for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kBlockPixels) {
    const Range block{pixel, pixel + kBlockPixels < pixels.end ? pixel + kBlockPixels : pixels.end};
    for (std::int64_t channel = 0; channel < a.channels; channel += kPanelColumns) {
      const int vectors = vectorsOfPanel(channel, a.channels);
      const std::int64_t rest = a.channels - channel, channels = rest < kPanelColumns ? rest : kPanelColumns;
      withFloatType(a.type, [&](auto type) {
        copyPanel<decltype(type)>(a.features, block, channel, channels, vectors, panel);
      });
      productWithPanel(vectors, a.regions + pixel * a.classes, 1, a.classes, a.classes, panel, block.size(),
                       [&](std::int64_t k, int v, Vec sum) {
                         float* const total = a.sums + k * a.paddedChannels + channel + v * kLanes;
                         store(total, add(load(total), sum));
                       });
    }
  }
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

#include "core/cells.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// The mean of `vectors` vectors of channels over one cell. Each image row is summed by itself: the error
/// then grows with the cell's sides, not with its area.
template <int vectors, class T, class Lanes>
void meanOf(const AdaptiveAveragePool2d& p, const T* x, Range rows, Range columns, T* y, Lanes lanes) {
  Vec total[vectors];
  for (int v = 0; v < vectors; ++v) total[v] = zero();
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    Vec sum[vectors];
    for (int v = 0; v < vectors; ++v) sum[v] = zero();
    for (std::int64_t j = columns.first; j < columns.end; ++j) {
      const T* const pixel = x + (i * p.width + j) * p.x.stride;
      for (int v = 0; v < vectors; ++v) sum[v] = add(sum[v], load(pixel + v * kLanes, lanes));
    }
    for (int v = 0; v < vectors; ++v) total[v] = add(total[v], sum[v]);
  }
  const Vec factor = broadcast(static_cast<float>(1.0 / static_cast<double>(rows.size() * columns.size())));
  for (int v = 0; v < vectors; ++v) store(y + v * kLanes, mul(total[v], factor), lanes);
}

}  // namespace

void adaptiveAveragePool2d(const AdaptiveAveragePool2d& p, std::int64_t pixel, Range channels) {
  withFloatType(p.type, [&](auto type) {
    using T = decltype(type);
    constexpr int wide = 8;
    const std::int64_t image = pixel / (p.outputHeight * p.outputWidth);
    const Range rows = cellOf(pixel / p.outputWidth % p.outputHeight, p.outputHeight, p.height);
    const Range columns = cellOf(pixel % p.outputWidth, p.outputWidth, p.width);
    const T* const x = static_cast<const T*>(p.x.data) + image * p.height * p.width * p.x.stride;
    T* const y = static_cast<T*>(p.y.data) + pixel * p.y.stride;
    std::int64_t c = channels.first;
    for (; c + wide * kLanes <= channels.end; c += wide * kLanes) {
      meanOf<wide>(p, x + c, rows, columns, y + c, Whole{});
    }
    for (; c + kLanes <= channels.end; c += kLanes) meanOf<1>(p, x + c, rows, columns, y + c, Whole{});
    if (c < channels.end) meanOf<1>(p, x + c, rows, columns, y + c, First{channels.end - c});
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/float-rows.h"
#include "cpu/kernels/product.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

template <class T>
void multiplyBlock(const PixelProduct& p, std::int64_t firstPixel, std::int64_t pixels) {
  T* const y = static_cast<T*>(p.y.data) + firstPixel * p.y.stride;
  const FloatRows x = floatRows(p.inputType, p.x, firstPixel, pixels, p.depth, p.rows);
  product(x.data, x.stride, pixels, p.panels, p.depth, p.columns,
          [&](std::int64_t pixel, std::int64_t column, Vec sum) {
            T* const out = y + pixel * p.y.stride + column;
            if (column + kLanes <= p.columns) return store(out, sum, Whole{});
            store(out, sum, First{p.columns - column});
          });
}

}  // namespace

void pixelProduct(const PixelProduct& p, Range pixels) {
  withFloatType(p.outputType, [&](auto type) {
    for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kProductPixels) {
      const std::int64_t rest = pixels.end - pixel;
      multiplyBlock<decltype(type)>(p, pixel, rest < kProductPixels ? rest : kProductPixels);
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

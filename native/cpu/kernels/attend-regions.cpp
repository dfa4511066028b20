// A block of pixels at a time: relation = query · keyᵀ, softmax over the classes, y = relation · value. The
// relation of a block stays in the cache.

#include "cpu/kernels/float-rows.h"
#include "cpu/kernels/relation.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

template <class T>
void attendBlock(const AttendRegions& a, std::int64_t firstPixel, std::int64_t pixels) {
  const FloatRows queries = floatRows(a.type, a.query, firstPixel, pixels, a.depth, a.queries);
  relate(queries.data, queries.stride, pixels, a.packedKey, a.depth, a.classes, a.scale, a.relation);

  T* const y = static_cast<T*>(a.y.data) + firstPixel * a.y.stride;
  product(a.relation, wholeVectors(a.classes), pixels, a.packedValue, a.classes, a.channels,
          [&](std::int64_t pixel, std::int64_t c, Vec sum) {
            T* const out = y + pixel * a.y.stride + c;
            if (c + kLanes <= a.channels) return store(out, activated(sum, a.epilogue), Whole{});
            store(out, activated(sum, a.epilogue), First{a.channels - c});
          });
}

}  // namespace

void packPanels(DataType type, const void* matrix, std::int64_t rows, std::int64_t columns, bool transpose,
                float* panels) {
  const std::int64_t steps = transpose ? columns : rows, width = transpose ? rows : columns;
  withFloatType(type, [&](auto element) {
    const auto* const x = static_cast<const decltype(element)*>(matrix);
    for (std::int64_t column = 0; column < width; column += kPanelColumns) {
      const std::int64_t padded = vectorsOfPanel(column, width) * kLanes;
      for (std::int64_t s = 0; s < steps; ++s) {
        for (std::int64_t i = column; i < column + padded; ++i) {
          *panels++ = i >= width ? 0.0f : toFloat(x[transpose ? i * columns + s : s * columns + i]);
        }
      }
    }
  });
}

void attendRegions(const AttendRegions& a, Range pixels) {
  withFloatType(a.type, [&](auto type) {
    for (std::int64_t pixel = pixels.first; pixel < pixels.end; pixel += kAttendedPixels) {
      const std::int64_t rest = pixels.end - pixel;
      attendBlock<decltype(type)>(a, pixel, rest < kAttendedPixels ? rest : kAttendedPixels);
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

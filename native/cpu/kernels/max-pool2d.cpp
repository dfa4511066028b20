#include <limits>

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// The part of a window that is inside the image.
Range windowOf(std::int64_t output, std::int64_t size, const MaxPool2d& p) {
  const std::int64_t first = output * p.stride - p.padding;
  return {first > 0 ? first : 0, first + p.kernel < size ? first + p.kernel : size};
}

/// A NaN wins, as in PyTorch.
Vec maximum(Vec a, Vec x) { return (x > a) | (x != x) ? x : a; }

template <class T>
void poolRow(const MaxPool2d& p, std::int64_t row) {
  const std::int64_t image = row / p.outputHeight;
  const Range rows = windowOf(row % p.outputHeight, p.height, p);
  const T* const x = static_cast<const T*>(p.x.data) + image * p.height * p.width * p.x.stride;
  T* y = static_cast<T*>(p.y.data) + row * p.outputWidth * p.y.stride;
  for (std::int64_t column = 0; column < p.outputWidth; ++column, y += p.y.stride) {
    const Range columns = windowOf(column, p.width, p);
    eachVector(p.channels, [&](std::int64_t c, auto lanes) {
      Vec most = broadcast(-std::numeric_limits<float>::infinity());
      for (std::int64_t i = rows.first; i < rows.end; ++i) {
        for (std::int64_t j = columns.first; j < columns.end; ++j) {
          most = maximum(most, load(x + (i * p.width + j) * p.x.stride + c, lanes));
        }
      }
      store(y + c, most, lanes);
    });
  }
}

}  // namespace

void maxPool2d(const MaxPool2d& p, Range rows) {
  withFloatType(p.type, [&](auto type) {
    for (std::int64_t row = rows.first; row < rows.end; ++row) poolRow<decltype(type)>(p, row);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

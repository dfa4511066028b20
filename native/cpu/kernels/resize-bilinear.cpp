// Separable: a source row is interpolated horizontally once and kept while output rows lie next to it; an
// output row is then a weighted sum of two kept rows. A thread walks down its output rows in tiles of columns
// so narrow that the two kept rows stay in the L1 cache.

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// Two rows of a tile: a source row (counted over the batch) and its successor never share a place.
class KeptRows {
 public:
  KeptRows(const ResizeBilinear& r, Range columns) : resize_(r), columns_(columns) {}

  template <class T>
  const float* get(std::int64_t sourceRow) {
    float* const kept = resize_.keptRows + sourceRow % 2 * resize_.tileWidth * resize_.channels;
    if (held_[sourceRow % 2] != sourceRow) interpolate<T>(sourceRow, kept);
    held_[sourceRow % 2] = sourceRow;
    return kept;
  }

 private:
  template <class T>
  void interpolate(std::int64_t sourceRow, float* kept) const {
    const ResizeBilinear& r = resize_;
    const T* const row = static_cast<const T*>(r.x.data) + sourceRow * r.width * r.x.stride;
    for (std::int64_t column = columns_.first; column < columns_.end; ++column, kept += r.channels) {
      const BilinearTap& tap = r.columns[column];
      const T *const left = row + tap.first * r.x.stride, *const right = row + tap.second * r.x.stride;
      const Vec weight = broadcast(tap.weight), rest = broadcast(1 - tap.weight);
      eachVector(r.channels, [&](std::int64_t c, auto lanes) {
        store(kept + c, fma(weight, load(right + c, lanes), mul(rest, load(left + c, lanes))), lanes);
      });
    }
  }

  const ResizeBilinear& resize_;
  const Range columns_;
  std::int64_t held_[2] = {-1, -1};
};

template <bool residual, class T, class Activate>
void blend(const ResizeBilinear& r, const float* upper, const float* lower, float weight,
           std::int64_t firstPixel, std::int64_t pixels, Activate activate) {
  const Vec lowerWeight = broadcast(weight), upperWeight = broadcast(1 - weight);
  for (std::int64_t i = 0; i < pixels; ++i) {
    T* const y = static_cast<T*>(r.y.data) + (firstPixel + i) * r.y.stride;
    const T* const added =
        static_cast<const T*>(r.residual.data) + (residual ? (firstPixel + i) * r.residual.stride : 0);
    eachVector(r.channels, [&](std::int64_t c, auto lanes) {
      const std::int64_t at = i * r.channels + c;
      Vec value = fma(lowerWeight, load(lower + at, lanes), mul(upperWeight, load(upper + at, lanes)));
      if constexpr (residual) value = add(value, load(added + c, lanes));
      store(y + c, activate(value), lanes);
    });
  }
}

template <bool residual, class T, class Activate>
void resizeRows(const ResizeBilinear& r, Range rows, Activate activate) {
  for (std::int64_t column = 0; column < r.outputWidth; column += r.tileWidth) {
    const std::int64_t rest = r.outputWidth - column, columns = rest < r.tileWidth ? rest : r.tileWidth;
    KeptRows kept(r, {column, column + columns});
    for (std::int64_t row = rows.first; row < rows.end; ++row) {
      const std::int64_t imageRow = row / r.outputHeight * r.height;
      const BilinearTap& tap = r.rows[row % r.outputHeight];
      const float* const upper = kept.get<T>(imageRow + tap.first);
      const float* const lower = kept.get<T>(imageRow + tap.second);
      blend<residual, T>(r, upper, lower, tap.weight, row * r.outputWidth + column, columns, activate);
    }
  }
}

}  // namespace

void resizeBilinear(const ResizeBilinear& r, Range rows) {
  withFloatType(r.type, [&](auto type) {
    using T = decltype(type);
    withActivation(r.epilogue, [&](auto activate) {
      if (r.residual.data) return resizeRows<true, T>(r, rows, activate);
      resizeRows<false, T>(r, rows, activate);
    });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

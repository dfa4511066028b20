// A window's maximum is looked for again, with its position, and the window's dy is added to dx there.
// Windows are taken row by row, whoever computes a row of dx; those that reach into the rows of two threads
// are looked through by both.

#include <limits>

#include "cpu/kernels/clear.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// The part of a window that is inside the image.
Range windowOf(std::int64_t output, std::int64_t size, const MaxPool2dGradient& p) {
  const std::int64_t first = output * p.stride - p.padding;
  return {first > 0 ? first : 0, first + p.kernel < size ? first + p.kernel : size};
}

/// x, dx and dy of the channels of one window; only `own` rows of dx are added to.
template <class Lanes>
void addToMaximum(const MaxPool2dGradient& p, const float* x, float* dx, Vec dy, Range rows, Range columns,
                  Range own, Lanes lanes) {
  Vec most = broadcast(-std::numeric_limits<float>::infinity());
  Vec place = zero();  // among the pixels of the window: the first one, where all are −∞
  float here = 0;
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    for (std::int64_t j = columns.first; j < columns.end; ++j, ++here) {
      const Vec value = load(x + (i * p.width + j) * p.x.stride, lanes);
      const auto better = (value > most) | (value != value);
      most = better ? value : most;
      place = better ? broadcast(here) : place;
    }
  }
  here = 0;
  for (std::int64_t i = rows.first; i < rows.end; ++i) {
    if (i < own.first || i >= own.end) {
      here += static_cast<float>(columns.size());
      continue;
    }
    for (std::int64_t j = columns.first; j < columns.end; ++j, ++here) {
      float* const out = dx + (i * p.width + j) * p.dx.stride;
      const Vec part = place == broadcast(here) ? dy : zero();
      store(out, add(load(out, lanes), part), lanes);
    }
  }
}

/// Some rows of one image's dx.
void scatterRows(const MaxPool2dGradient& p, std::int64_t image, Range own) {
  const float* const x = static_cast<const float*>(p.x.data) + image * p.height * p.width * p.x.stride;
  float* const dx = static_cast<float*>(p.dx.data) + image * p.height * p.width * p.dx.stride;
  const float* const dy =
      static_cast<const float*>(p.dy.data) + image * p.outputHeight * p.outputWidth * p.dy.stride;
  ClearedRows cleared(dx, p.width, p.channels, p.dx.stride, own);
  for (std::int64_t row = 0; row < p.outputHeight; ++row) {
    const Range rows = windowOf(row, p.height, p);
    if (rows.end <= own.first) continue;
    if (rows.first >= own.end) break;
    cleared.upTo(rows.end);
    for (std::int64_t column = 0; column < p.outputWidth; ++column) {
      const Range columns = windowOf(column, p.width, p);
      const float* const gradient = dy + (row * p.outputWidth + column) * p.dy.stride;
      eachVector(p.channels, [&](std::int64_t c, auto lanes) {
        addToMaximum(p, x + c, dx + c, load(gradient + c, lanes), rows, columns, own, lanes);
      });
    }
  }
  cleared.upTo(own.end);
}

}  // namespace

void maxPool2dGradient(const MaxPool2dGradient& p, Range rows) {
  eachImage(rows, p.height, [&](std::int64_t image, Range own) { scatterRows(p, image, own); });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

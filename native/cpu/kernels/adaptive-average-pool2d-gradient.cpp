#include "core/cells.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

void adaptiveAveragePool2dGradient(const AdaptiveAveragePool2dGradient& p, Range rows) {
  withFloatType(p.type, [&](auto type) {
    using T = decltype(type);
    for (std::int64_t row = rows.first; row < rows.end; ++row) {
      const std::int64_t image = row / p.height;
      const T* const dy =
          static_cast<const T*>(p.dy.data) + image * p.outputHeight * p.outputWidth * p.dy.stride;
      T* dx = static_cast<T*>(p.dx.data) + row * p.width * p.dx.stride;
      const Range cellRows = cellOf(row % p.height, p.height, p.outputHeight);
      for (std::int64_t column = 0; column < p.width; ++column, dx += p.dx.stride) {
        const Range cellColumns = cellOf(column, p.width, p.outputWidth);
        eachVector(p.channels, [&](std::int64_t c, auto lanes) {
          Vec sum = zero();
          for (std::int64_t i = cellRows.first; i < cellRows.end; ++i) {
            for (std::int64_t j = cellColumns.first; j < cellColumns.end; ++j) {
              const std::int64_t cell = i * p.outputWidth + j;
              sum = fma(broadcast(p.shares[cell]), load(dy + cell * p.dy.stride + c, lanes), sum);
            }
          }
          store(dx + c, sum, lanes);
        });
      }
    }
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

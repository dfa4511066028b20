#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

void cast(const Cast& c, Range pixels) {
  withFloatType(c.inputType, [&](auto inputType) {
    withFloatType(c.outputType, [&](auto outputType) {
      for (std::int64_t pixel = pixels.first; pixel < pixels.end; ++pixel) {
        const auto* const x = static_cast<const decltype(inputType)*>(c.x.data) + pixel * c.x.stride;
        auto* const y = static_cast<decltype(outputType)*>(c.y.data) + pixel * c.y.stride;
        eachVector(c.channels, [&](std::int64_t i, auto lanes) { store(y + i, load(x + i, lanes), lanes); });
      }
    });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

void activationGradient(const ActivationGradient& a, Range pixels) {
  // Dense pixels are one long row: few channels then fill the lanes too.
  const bool flat = a.dy.stride == a.channels && a.y.stride == a.channels && a.dx.stride == a.channels;
  const std::int64_t count = flat ? pixels.size() * a.channels : a.channels;
  const std::int64_t end = flat ? pixels.first + 1 : pixels.end;
  withFloatType(a.type, [&](auto type) {
    using T = decltype(type);
    withActivation(a.epilogue, [&](auto activate) {
      for (std::int64_t pixel = pixels.first; pixel < end; ++pixel) {
        const T* const dy = static_cast<const T*>(a.dy.data) + pixel * a.dy.stride;
        const T* const y = static_cast<const T*>(a.y.data) + pixel * a.y.stride;
        T* const dx = static_cast<T*>(a.dx.data) + pixel * a.dx.stride;
        eachVector(count, [&](std::int64_t i, auto lanes) {
          store(dx + i, activate.gradient(load(dy + i, lanes), load(y + i, lanes)), lanes);
        });
      }
    });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

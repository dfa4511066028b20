// scaleShift, activate and add: element by element, at the speed of memory.

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

template <bool scaled, bool residual, class T, class Activate>
void transform(const Affine& a, Range pixels, Activate activate) {
  const bool flat = !scaled && a.x.stride == a.channels && a.y.stride == a.channels &&
                    (!residual || a.residual.stride == a.channels);
  // Without vectors per channel, dense pixels are one long row: few channels then fill the lanes too.
  const std::int64_t count = flat ? pixels.size() * a.channels : a.channels;
  const std::int64_t end = flat ? pixels.first + 1 : pixels.end;
  for (std::int64_t pixel = pixels.first; pixel < end; ++pixel) {
    const T* const x = static_cast<const T*>(a.x.data) + pixel * a.x.stride;
    const T* const added =
        static_cast<const T*>(a.residual.data) + (residual ? pixel * a.residual.stride : 0);
    T* const y = static_cast<T*>(a.y.data) + pixel * a.y.stride;
    eachVector(count, [&](std::int64_t i, auto lanes) {
      Vec value = load(x + i, lanes);
      if constexpr (scaled) {
        value = fma(value, load(a.scale + i, lanes), a.shift ? load(a.shift + i, lanes) : zero());
      }
      if constexpr (residual) value = add(value, load(added + i, lanes));
      store(y + i, activate(value), lanes);
    });
  }
}

}  // namespace

void affine(const Affine& a, Range pixels) {
  withFloatType(a.type, [&](auto type) {
    using T = decltype(type);
    withActivation(a.epilogue, [&](auto activate) {
      if (a.scale && a.residual.data) return transform<true, true, T>(a, pixels, activate);
      if (a.scale) return transform<true, false, T>(a, pixels, activate);
      if (a.residual.data) return transform<false, true, T>(a, pixels, activate);
      transform<false, false, T>(a, pixels, activate);
    });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

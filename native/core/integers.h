#pragma once

#include <concepts>
#include <type_traits>

namespace ocrnet {

/// a / b rounded up, for a ≥ 0 and b > 0.
template <std::integral T>
constexpr T divideUp(T a, std::type_identity_t<T> b) {
  return (a + b - 1) / b;
}

/// The least multiple of b that is not below a.
template <std::integral T>
constexpr T roundUp(T a, std::type_identity_t<T> b) {
  return divideUp(a, b) * b;
}

}  // namespace ocrnet

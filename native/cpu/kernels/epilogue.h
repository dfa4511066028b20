#pragma once

// What an operation applies to its result last (lib/ops/epilogue.ts), the activation chosen outside the
// loops. A NaN passes through every activation.

#include "core/epilogue.h"
#include "cpu/simd-elements.h"

namespace ocrnet::cpu::OCRNET_ISA {

template <Activation activation>
struct Activate {
  Vec slope;

  Vec operator()(Vec x) const {
    if constexpr (activation == Activation::relu) return max(zero(), x);
    if constexpr (activation == Activation::relu6) return min(broadcast(6.0f), max(zero(), x));
    if constexpr (activation == Activation::leakyRelu) return x > zero() ? x : mul(slope, x);
    return x;
  }

  /// dy · activation′ where z is the activation's result or, alike, what it was applied to. PyTorch's choices
  /// at the corners: 0 where relu and relu6 clip, the slope at 0; a NaN in z lets dy through.
  Vec gradient(Vec dy, Vec z) const {
    if constexpr (activation == Activation::relu) return z <= zero() ? zero() : dy;
    if constexpr (activation == Activation::relu6) {
      return z <= zero() ? zero() : z >= broadcast(6.0f) ? zero() : dy;
    }
    if constexpr (activation == Activation::leakyRelu) return z > zero() ? dy : mul(slope, dy);
    return dy;
  }

  /// What the activation was applied to, from its result; where that can be told.
  Vec inverse(Vec y) const {
    if constexpr (activation == Activation::leakyRelu) return y > zero() ? y : y / slope;
    return y;
  }
};

/// body(activate) with the Activate<> that the epilogue names.
template <class Body>
inline void withActivation(const Epilogue& epilogue, const Body& body) {
  const Vec slope = broadcast(epilogue.negativeSlope);
  switch (epilogue.activation) {
    case Activation::none:
      return body(Activate<Activation::none>{slope});
    case Activation::relu:
      return body(Activate<Activation::relu>{slope});
    case Activation::relu6:
      return body(Activate<Activation::relu6>{slope});
    case Activation::leakyRelu:
      return body(Activate<Activation::leakyRelu>{slope});
  }
}

/// The same, chosen for each vector: for results that are dear enough, where the loops need not exist four
/// times.
inline Vec activated(Vec x, const Epilogue& epilogue) {
  withActivation(epilogue, [&](auto activate) { x = activate(x); });
  return x;
}

/// body(T{}) with the element type of activations.
template <class Body>
inline void withFloatType(DataType type, const Body& body) {
  if (type == DataType::bfloat16) return body(BFloat16{});
  body(float{});
}

}  // namespace ocrnet::cpu::OCRNET_ISA

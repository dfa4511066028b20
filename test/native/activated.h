#pragma once

#include "core/enums.gen.h"

namespace ocrnet::test {

/// The activations in float64, as every reference of the native tests computes them. NaN stays NaN.
inline double activated(double x, Activation activation, double slope) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::relu6:
      return x < 0 ? 0 : x > 6 ? 6 : x;
    case Activation::leakyRelu:
      return x < 0 ? slope * x : x;
  }
  return x;
}

}  // namespace ocrnet::test

#pragma once

// What operations apply to their result last (lib/ops/epilogue.ts). A NaN passes through every activation.

#include <cuda_runtime.h>

#include "core/epilogue.h"

namespace ocrnet::cuda {

__device__ __forceinline__ float activated(float x, const Epilogue& epilogue) {
  switch (epilogue.activation) {
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::relu6:
      return x < 0 ? 0 : x > 6 ? 6 : x;
    case Activation::leakyRelu:
      return x < 0 ? epilogue.negativeSlope * x : x;
    default:
      return x;
  }
}

/// dy · activation′ where z is the activation's result or, alike, what it was applied to. PyTorch's choices
/// at the corners: 0 where relu and relu6 clip, the slope at 0; a NaN in z lets dy through.
__device__ __forceinline__ float activationGradient(float dy, float z, const Epilogue& epilogue) {
  switch (epilogue.activation) {
    case Activation::relu:
      return z <= 0 ? 0 : dy;
    case Activation::relu6:
      return z <= 0 || z >= 6 ? 0 : dy;
    case Activation::leakyRelu:
      return z > 0 ? dy : epilogue.negativeSlope * dy;
    default:
      return dy;
  }
}

/// What the activation was applied to, from its result; where that can be told.
__device__ __forceinline__ float activationInverse(float y, const Epilogue& epilogue) {
  return epilogue.activation == Activation::leakyRelu && y < 0 ? y / epilogue.negativeSlope : y;
}

}  // namespace ocrnet::cuda

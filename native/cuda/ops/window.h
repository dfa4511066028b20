#pragma once

#include "cuda/map-packs.h"

namespace ocrnet::cuda {

/// Windows of a pooling over a map of x, kernel × kernel large.
struct PoolingWindows {
  std::int64_t height, width;  // of x
  int kernel, stride, padding;

  /// The part of a window that is inside an axis of x; `origin` is where it would begin.
  struct Axis {
    std::int64_t origin, first, end;
  };
  __device__ __forceinline__ Axis axis(std::int64_t window, std::int64_t size) const {
    const std::int64_t origin = window * stride - padding;
    return {origin, max(origin, std::int64_t{0}), min(origin + kernel, size)};
  }

  /// The windows that a position of an axis of x lies in, of `count`.
  __device__ __forceinline__ Axis containing(std::int64_t position, std::int64_t count) const {
    const std::int64_t behind = position + padding;  // the last window may begin there
    const std::int64_t first = behind < kernel ? 0 : (behind - kernel) / stride + 1;
    return {first, first, min(behind / stride + 1, count)};
  }
};

/// Finds a maximum as PyTorch does: the first one, but the last NaN where there is any.
__device__ __forceinline__ bool isBetter(float x, float most) { return x > most || x != x; }

}  // namespace ocrnet::cuda

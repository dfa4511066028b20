#pragma once

// How operations on single elements are shared out to threads: a thread has a pack of neighbouring channels
// of one pixel, of 16 bytes where all operands allow it, else of one element.

#include <cstdint>
#include <initializer_list>

#include "core/integers.h"
#include "cuda/device/divisor.h"
#include "cuda/launch.h"
#include "cuda/op.h"

namespace ocrnet::cuda {

inline constexpr unsigned kElementThreads = 256;

/// (pixels, packs of a pixel)
struct PixelPacks {
  std::int64_t pixels, packs;
  Divisor perPixel{packs};

  struct Place {
    std::int64_t pixel, pack;
  };

  constexpr std::int64_t count() const { return pixels * packs; }
  __device__ __forceinline__ Place place(std::int64_t index) const {
    const std::int64_t pixel = perPixel.split(index);
    return {pixel, index};
  }
  LaunchShape shape() const {
    return {dim3(static_cast<unsigned>(divideUp(count(), std::int64_t{kElementThreads}))), kElementThreads};
  }
};

/// The thread's place among the packs; where it is not below count(), the thread has none.
__device__ __forceinline__ std::int64_t packIndex() {
  return static_cast<std::int64_t>(blockIdx.x) * kElementThreads + threadIdx.x;
}

/// Whether packs of `elements` fit: channels and all strides are multiples, and so are the addresses in
/// bytes.
inline bool fitsPacks(std::int64_t elements, std::int64_t channels, std::int64_t packBytes,
                      std::initializer_list<Source> operands) {
  if (channels % elements != 0) return false;
  for (const auto& [data, stride] : operands) {
    if (stride % elements != 0 || reinterpret_cast<std::uintptr_t>(data) % packBytes != 0) return false;
  }
  return true;
}

/// body(std::integral_constant<int, elements of a pack>) for the widest packs of `elementBytes` that fit.
template <int wide, class Body>
void withPacks(std::int64_t channels, std::int64_t elementBytes, std::initializer_list<Source> operands,
               const Body& body) {
  if (fitsPacks(wide, channels, wide * elementBytes, operands)) {
    body(std::integral_constant<int, wide>{});
  } else {
    body(std::integral_constant<int, 1>{});
  }
}

}  // namespace ocrnet::cuda

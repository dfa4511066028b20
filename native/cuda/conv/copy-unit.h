#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "cuda/device/async-copy.h"

namespace ocrnet::cuda::conv {

/// Copies `unit` bytes into shared memory, of which the first `given` are there and the others zeros.
template <int unit>
__device__ __forceinline__ void copyUnit(std::byte* to, const void* from, int given) {
  if constexpr (unit == 2) {  // too few for an asynchronous copy
    *reinterpret_cast<std::uint16_t*>(to) = given > 0 ? *static_cast<const std::uint16_t*>(from) : 0;
  } else {
    copyAsync<unit>(to, from, given);
  }
}

}  // namespace ocrnet::cuda::conv

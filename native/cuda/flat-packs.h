#pragma once

// How operations on flat float32 vectors are shared out to threads: four neighbours at once where all vectors
// are aligned alike, wherever the range begins and ends. A grid is as large as the GPU, not as the vectors,
// so that what each block must know first is worked out seldom.

#include <algorithm>
#include <type_traits>

#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

inline constexpr int kFlatPack = 4;

/// Elements `first` to first + count − 1. Packs are counted from `lead` elements before the first, where the
/// vectors are aligned.
struct FlatPacks {
  std::int64_t first, count;
  int lead;

  LaunchShape shape(int width, const Device& device) const {
    constexpr std::int64_t kBlocksAtOnce = 8;  // of a multiprocessor
    const std::int64_t blocks = divideUp(divideUp(lead + count, width), kElementThreads);
    return {dim3(static_cast<unsigned>(std::min(blocks, kBlocksAtOnce * device.multiprocessors))),
            kElementThreads};
  }
};

/// body(element, std::integral_constant<int, count>): for `count` elements from there on.
template <int width, class Body>
__device__ __forceinline__ void eachFlatPack(const FlatPacks& packs, const Body& body) {
  const std::int64_t step = std::int64_t{gridDim.x} * kElementThreads * width;
  for (std::int64_t begin = packIndex() * width - packs.lead; begin < packs.count; begin += step) {
    if (begin >= 0 && begin + width <= packs.count) {
      body(packs.first + begin, std::integral_constant<int, width>{});
      continue;
    }
    for (std::int64_t i = begin; i < begin + width; ++i) {
      if (i >= 0 && i < packs.count) body(packs.first + i, std::integral_constant<int, 1>{});
    }
  }
}

/// body(std::integral_constant<int, width>, packs); vectors may be null.
template <class Body>
void withFlatPacks(std::int64_t first, std::int64_t count, std::initializer_list<const float*> vectors,
                   const Body& body) {
  int lead = -1;
  bool alike = true;
  for (const float* vector : vectors) {
    if (vector == nullptr) continue;
    const auto own =
        static_cast<int>(reinterpret_cast<std::uintptr_t>(vector + first) / sizeof(float) % kFlatPack);
    alike = alike && (lead == -1 || lead == own);
    lead = own;
  }
  if (alike) return body(std::integral_constant<int, kFlatPack>{}, FlatPacks{first, count, lead});
  body(std::integral_constant<int, 1>{}, FlatPacks{first, count, 0});
}

}  // namespace ocrnet::cuda

#pragma once

#include "cuda/device/element.h"
#include "cuda/flat-packs.h"

namespace ocrnet::cuda {

/// newTotal = keep · total + scale · part. Where keep is 0 the total is not read.
struct WeightedSum {
  const float *total, *part;
  float* newTotal;
};

template <int width>
__device__ __forceinline__ void addWeighted(const WeightedSum& sum, float keep, float scale,
                                            const FlatPacks& packs) {
  eachFlatPack<width>(packs, [&](std::int64_t i, auto count) {
    float total[count], part[count];
    loadPack<count>(sum.part + i, part);
    if (keep != 0) loadPack<count>(sum.total + i, total);
#pragma unroll
    for (int k = 0; k < count; ++k) {
      part[k] *= scale;
      if (keep != 0) part[k] = fmaf(keep, total[k], part[k]);
    }
    storePack<count>(sum.newTotal + i, part);
  });
}

}  // namespace ocrnet::cuda

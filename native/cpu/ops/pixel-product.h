#pragma once

#include "cpu/ops/direct.h"

namespace ocrnet::cpu {

/// What the region vectors (N, K, 1, C) are to the pixels' products with them.
enum class RegionVectors { mixed, scored };  // x (pixels, K) · vectors, x (pixels, C) · vectorsᵀ

/// distributeRegions and scoreRegions: input 0 is x, input 1 the vectors.
Choice choosePixelProduct(const StepDescription&, const Device&, RegionVectors);
std::unique_ptr<PreparedStep> preparePixelProduct(const StepDescription&, const Device&, RegionVectors);

}  // namespace ocrnet::cpu

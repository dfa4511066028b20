#pragma once

#include <cstdint>

#include "cuda/conv/problem.h"

namespace ocrnet::cuda::conv {

/// Scratch of a filter's gradient in parts: (parts, filter elements); none of a single part.
inline std::size_t partialSumsBytes(const Problem& problem, std::int64_t parts) {
  return parts > 1 ? static_cast<std::size_t>(parts * problem.filterElements()) * sizeof(float) : 0;
}

/// result[i] = Σ partials[part][i], in the order of the parts.
void sumPartials(const float* partials, std::int64_t parts, std::int64_t elements, float* result,
                 cudaStream_t stream);

}  // namespace ocrnet::cuda::conv

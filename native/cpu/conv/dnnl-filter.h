#pragma once

#include <dnnl.hpp>

#include "cpu/conv/problem.h"

namespace ocrnet::cpu::conv {

/// Writes a filter (O, kh, kw, C / groups) in oneDNN's layout for it: of dimensions (O, C, kh, kw), (groups,
/// O / groups, C / groups, kh, kw) or, for matrix products, (C, O). oneDNN's own reorder takes seconds for
/// the 70 million weights of HRNet-W48.
void packDnnlFilter(const Problem& problem, const dnnl::memory::desc& layout, const float* filter,
                    std::byte* packed, int threads);

/// The way back, from float32 alone.
void unpackDnnlFilter(const Problem& problem, const dnnl::memory::desc& layout, const std::byte* packed,
                      float* filter, int threads);

}  // namespace ocrnet::cpu::conv

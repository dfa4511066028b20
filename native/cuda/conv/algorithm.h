#pragma once

#include <memory>

#include "cuda/conv/problem.h"
#include "runtime/algorithm-table.h"

namespace ocrnet::cuda::conv {

/// Costs are in microseconds.
using Estimate = AlgorithmEstimate;

/// One way to compute a convolution or a gradient of one. The tables of them stand below.
struct Algorithm {
  bool (*supports)(const Problem& problem, const Device& device);
  /// Only for problems that it supports.
  Estimate (*estimate)(const Problem& problem, const Device& device);
  std::unique_ptr<PreparedStep> (*prepare)(const Problem& problem, const StepDescription& step,
                                           const Device& device, Parameters& parameters);
  /// Whether it writes conv2dMoments' moments along with the results.
  bool findsMoments = false;
};

extern const Algorithm direct;                                // a thread for each result: any problem
extern const Algorithm depthwise;                             // a filter for each channel
extern const Algorithm implicitGemmLarge, implicitGemmSmall;  // all but large strides and small groups
/// On GPUs of compute capability 9.0, without groups, float32 as tf32; by the columns of their tiles.
extern const Algorithm warpgroupGemm64, warpgroupGemm96, warpgroupGemm128, warpgroupGemm192, warpgroupGemm256;

// conv2dFilterGradient
extern const Algorithm directFilterGradient;
extern const Algorithm filterGradientGemmLarge, filterGradientGemmSmall;  // all but small groups

/// In 16 bits.
extern const Algorithm warpgroupFilterGradient64, warpgroupFilterGradient128, warpgroupFilterGradient192,
    warpgroupFilterGradient256;

/// Of conv2d, and of conv2dInputGradient, which is a convolution of dy.
inline constexpr const Algorithm* kConvolutions[] = {
    &direct,          &depthwise,        &implicitGemmLarge, &implicitGemmSmall, &warpgroupGemm64,
    &warpgroupGemm96, &warpgroupGemm128, &warpgroupGemm192,  &warpgroupGemm256};

/// Of conv2dFilterGradient.
inline constexpr const Algorithm* kFilterGradients[] = {
    &directFilterGradient,      &filterGradientGemmLarge,    &filterGradientGemmSmall,
    &warpgroupFilterGradient64, &warpgroupFilterGradient128, &warpgroupFilterGradient192,
    &warpgroupFilterGradient256};

/// An operation whose steps are problems of one table.
template <const auto& algorithms, auto describe>
inline constexpr Op kOperation = kTabledOp<Op, Algorithm, algorithms, describe>;

}  // namespace ocrnet::cuda::conv

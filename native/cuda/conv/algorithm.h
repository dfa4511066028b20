#pragma once

#include <memory>
#include <span>
#include <string>

#include "cuda/conv/problem.h"

namespace ocrnet::cuda::conv {

/// What an algorithm would need for a problem.
struct Estimate {
  std::string name;
  double microseconds;
  std::size_t scratchBytes;
};

/// One way to compute a convolution or a gradient of one. The tables of them are in ops/conv2d*.cu.
struct Algorithm {
  bool (*supports)(const Problem& problem);
  /// Only for problems that it supports.
  Estimate (*estimate)(const Problem& problem, const Device& device);
  std::unique_ptr<PreparedStep> (*prepare)(const Problem& problem, const StepDescription& step,
                                           const Device& device, Parameters& parameters);
};

extern const Algorithm direct;                                // a thread for each result: any problem
extern const Algorithm depthwise;                             // a filter for each channel
extern const Algorithm implicitGemmLarge, implicitGemmSmall;  // all but large strides and small groups

// conv2dFilterGradient
extern const Algorithm directFilterGradient;
extern const Algorithm filterGradientGemmLarge, filterGradientGemmSmall;  // all but small groups

/// The algorithms of one operation: a step's `algorithm` is an index. Where times are equal the first is
/// taken.
using AlgorithmTable = std::span<const Algorithm* const>;

Choice choose(AlgorithmTable table, const Problem& problem, const Device& device);

/// The step's algorithm; throws Error("INVALID_PLAN") unless it is one of the table's for the problem, with
/// the scratch that it needs.
std::unique_ptr<PreparedStep> prepare(AlgorithmTable table, const Problem& problem,
                                      const StepDescription& step, const Device& device,
                                      Parameters& parameters);

}  // namespace ocrnet::cuda::conv

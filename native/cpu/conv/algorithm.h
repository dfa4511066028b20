#pragma once

#include <memory>
#include <string>

#include "core/aligned-buffer.h"
#include "core/integers.h"
#include "cpu/conv/problem.h"
#include "runtime/algorithm-table.h"

namespace ocrnet::cpu::conv {

/// Costs are in the operations of a direct convolution; names tell the implementation that oneDNN picked.
using Estimate = AlgorithmEstimate;

/// One way to compute a convolution or a gradient of one. The tables of them are in ops/conv2d*.cpp.
struct Algorithm {
  bool (*supports)(const Problem& problem, const Device& device);
  /// Only for problems that it supports.
  Estimate (*estimate)(const Problem& problem, const Device& device);
  std::unique_ptr<PreparedStep> (*prepare)(const Problem& problem, const StepDescription& description,
                                           const Device& device, Weights& weights);
};

extern const Algorithm onednnAlgorithm;    // oneDNN's convolution: any problem
extern const Algorithm matmulAlgorithm;    // 1×1 convolutions as oneDNN's matrix product
extern const Algorithm winogradAlgorithm;  // 3×3 convolutions in float32

/// The table of conv2d, and of conv2dMoments, which computes no other way.
inline constexpr const Algorithm* kConvolutions[] = {&onednnAlgorithm, &matmulAlgorithm, &winogradAlgorithm};

// conv2dInputGradient, whose problems are the convolution itself.
extern const Algorithm onednnInputGradient;       // oneDNN's backward pass: any problem
extern const Algorithm convolutionInputGradient;  // stride 1, as a convolution of dy: by each of the above
extern const Algorithm matmulInputGradient;
extern const Algorithm winogradInputGradient;

// conv2dFilterGradient
extern const Algorithm onednnFilterGradient;  // oneDNN's backward pass: any problem
extern const Algorithm depthwiseFilterGradient;
extern const Algorithm sumsFilterGradient;      // no groups: our own products over pixels
extern const Algorithm winogradFilterGradient;  // 3×3 convolutions of stride 1

/// An operation whose steps are problems of one table.
template <const auto& algorithms, auto describe>
inline constexpr Op kOperation = kTabledOp<Op, Algorithm, algorithms, describe>;

/// Rounded up to where another piece of scratch memory may begin.
constexpr std::size_t aligned(std::size_t bytes) { return roundUp(bytes, kAlignment); }

/// Operations of a direct convolution in the time that one byte takes to be copied (about 10 GB/s against 300
/// GFLOP/s on two cores).
inline constexpr double kCostPerCopiedByte = 30;

/// How much slower than its other implementations oneDNN's reference is, at least.
inline constexpr double kReferenceSlowdown = 50;

}  // namespace ocrnet::cpu::conv

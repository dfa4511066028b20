#pragma once

#include <span>

#include "cpu/conv/algorithm.h"

namespace ocrnet::cpu::conv {

/// The algorithms of one operation: a step's `algorithm` is an index. Where costs are equal the first is
/// taken.
using AlgorithmTable = std::span<const Algorithm* const>;

Choice choose(AlgorithmTable table, const Problem& problem, const Device& device);

std::unique_ptr<PreparedStep> prepare(AlgorithmTable table, const Problem& problem,
                                      const StepDescription& description, const Device& device,
                                      Weights& weights);

}  // namespace ocrnet::cpu::conv

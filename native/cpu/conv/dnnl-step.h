#pragma once

#include <dnnl.hpp>
#include <memory>
#include <unordered_map>

#include "cpu/conv/dnnl-kernel.h"
#include "cpu/conv/packed-filter.h"

namespace ocrnet::cpu::conv {

/// How a step runs oneDNN's kernels, which want dense tensors. `whole` computes `inputPixels` →
/// `outputPixels` and is run as often as they fit into the problem, `rest` on what is left: convolutions are
/// one piece, products of pixels may be cut so that the copies of slices stay in cache.
struct DnnlSchedule {
  std::shared_ptr<const DnnlKernel> whole, rest;  // `rest` null if nothing is left
  std::int64_t inputPixels, outputPixels;
};

/// Bytes of scratch: oneDNN's own, dense copies of slices, the packed filter if it is no parameter.
std::size_t scratchBytes(const Problem& problem, const DnnlSchedule& schedule);

std::unique_ptr<PreparedStep> makeDnnlStep(const Problem& problem, const DnnlSchedule& schedule,
                                           const StepDescription& description, const Device& device,
                                           Weights& weights);

}  // namespace ocrnet::cpu::conv

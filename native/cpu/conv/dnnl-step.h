#pragma once

#include <dnnl.hpp>
#include <memory>
#include <unordered_map>

#include "cpu/conv/dnnl-kernel.h"
#include "cpu/conv/packed-filter.h"

namespace ocrnet::cpu::conv {

/// How a step runs oneDNN's kernels, which want dense tensors. `piece` turns `inputPixels` into
/// `outputPixels` and is run as often as they fit into the problem, `rest` on what is left.
///
/// With one worker the kernels use all threads: so run convolutions, in one piece. Products of pixels may
/// instead be cut for as many workers as there are threads, each running kernels of one thread on pieces
/// small enough that the copies of slices never leave its cache, without waiting for the others in between.
struct DnnlSchedule {
  std::shared_ptr<const DnnlKernel> piece, rest;  // `rest` null if nothing is left
  std::int64_t inputPixels, outputPixels;
  int workers;
};

/// Bytes of scratch: oneDNN's own, dense copies of slices, the packed filter if it is no parameter.
std::size_t scratchBytes(const Problem& problem, const DnnlSchedule& schedule);

std::unique_ptr<PreparedStep> makeDnnlStep(const Problem& problem, const DnnlSchedule& schedule,
                                           const StepDescription& description, const Device& device,
                                           Weights& weights);

}  // namespace ocrnet::cpu::conv

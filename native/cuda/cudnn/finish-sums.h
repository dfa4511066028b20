#pragma once

#include "cuda/conv/problem.h"

namespace ocrnet::cuda::cudnn {

/// Makes a step's results of sums, which are of the results' type and may lie where the results will.
void finishSums(const conv::Problem& problem, const Source& sums, const StepMemory& memory,
                cudaStream_t stream);

}  // namespace ocrnet::cuda::cudnn

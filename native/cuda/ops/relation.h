#pragma once

#include "cuda/op.h"

namespace ocrnet::cuda {

/// relation (rows, classes): each row becomes softmax(scale · row). Where `gradients` is not null, each of
/// its rows becomes scale · w · (row − Σ w · row) with the relation's row w.
void enqueueRelation(std::int64_t rows, std::int64_t classes, float scale, float* relation, float* gradients,
                     cudaStream_t stream);

}  // namespace ocrnet::cuda

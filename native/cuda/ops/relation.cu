#include <cmath>

#include "cuda/ops/channel-rows.h"
#include "cuda/ops/relation.h"

namespace ocrnet::cuda {

namespace {

template <class Threads>
__global__ void __launch_bounds__(kRowBlockThreads)
    relationKernel(std::int64_t rows, std::int64_t classes, float scale, float* relation, float* gradients) {
  const std::int64_t row = Threads::row();
  if (row >= rows) return;  // all threads of the row
  float* const w = relation + row * classes;
  float* const dw = gradients ? gradients + row * classes : nullptr;
  float maximum = -INFINITY, sum = 0, product = 0;
  Threads::each(classes, [&](std::int64_t c) { maximum = fmaxf(maximum, scale * w[c]); });
  maximum = Threads::maximum(maximum);
  Threads::each(classes, [&](std::int64_t c) { sum += w[c] = expf(scale * w[c] - maximum); });
  const float factor = 1 / Threads::sum(sum);
  Threads::each(classes, [&](std::int64_t c) {
    w[c] *= factor;
    if (dw) product = fmaf(w[c], dw[c], product);
  });
  if (!dw) return;  // all threads
  const float mean = Threads::sum(product);
  Threads::each(classes, [&](std::int64_t c) { dw[c] = scale * (w[c] * (dw[c] - mean)); });
}

}  // namespace

void enqueueRelation(std::int64_t rows, std::int64_t classes, float scale, float* relation, float* gradients,
                     cudaStream_t stream) {
  withRowThreads(rows, classes, [&](auto threads, const LaunchShape& shape) {
    launch<relationKernel<decltype(threads)>>(shape, stream, rows, classes, scale, relation, gradients);
  });
}

}  // namespace ocrnet::cuda

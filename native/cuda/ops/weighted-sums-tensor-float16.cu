#include "cuda/ops/weighted-sums-tensor.h"

namespace ocrnet::cuda {

template std::size_t tensorSumsBytes<Float16>(std::int64_t);
template void enqueueTensorSums<Float16>(AttentionPass, const WeightedSums&, cudaStream_t);

}  // namespace ocrnet::cuda

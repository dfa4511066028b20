#include "cuda/conv/implicit-gemm-launch.h"

namespace ocrnet::cuda::conv {

template void launchImplicitGemm<Float16Products>(const ImplicitGemm&, bool, int, cudaStream_t);

}  // namespace ocrnet::cuda::conv

#include "cuda/conv/implicit-gemm-launch.h"

namespace ocrnet::cuda::conv {

template void launchImplicitGemm<BFloat16Products>(const ImplicitGemm&, bool, int, cudaStream_t);

}  // namespace ocrnet::cuda::conv

#include "cuda/conv/implicit-gemm-launch.h"

namespace ocrnet::cuda::conv {

template void launchImplicitGemm<Tf32Products>(const ImplicitGemm&, bool, int, cudaStream_t);

}  // namespace ocrnet::cuda::conv

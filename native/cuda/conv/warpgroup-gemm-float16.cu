#include "cuda/conv/warpgroup-gemm-launch.h"

namespace ocrnet::cuda::conv {

template void launchWarpgroupGemm<Float16>(const WarpgroupGemm&, int, int, cudaStream_t);

}  // namespace ocrnet::cuda::conv

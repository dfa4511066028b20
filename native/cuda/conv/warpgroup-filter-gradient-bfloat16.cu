#include "cuda/conv/warpgroup-filter-gradient-launch.h"

namespace ocrnet::cuda::conv {

template void launchWarpgroupFilterGradient<BFloat16>(const WarpgroupFilterGradient&, int, int, cudaStream_t);

}  // namespace ocrnet::cuda::conv

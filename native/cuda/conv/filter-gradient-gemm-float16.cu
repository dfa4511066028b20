#include "cuda/conv/filter-gradient-gemm-launch.h"

namespace ocrnet::cuda::conv {

template void launchFilterGradientGemm<Float16Products>(const FilterGradientGemm&, bool, int, int,
                                                        cudaStream_t);

}  // namespace ocrnet::cuda::conv

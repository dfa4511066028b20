// Bias, residual and activation of convolutions that cuDNN computed: a pass of its own over the results.

#include "cuda/conv/finish.h"
#include "cuda/cudnn/finish-sums.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda::cudnn {

namespace {

template <class T, int count>
__global__ void __launch_bounds__(kElementThreads)
    finishSumsKernel(Source sums, conv::Finish finish, PixelPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count()) return;
  const auto [pixel, pack] = packs.place(i);
  const int channel = static_cast<int>(pack) * count;
  float sum[count];
  loadPack<count>(sums.as<T>() + pixel * sums.stride + channel, sum);
  conv::finishAs<count, T>(finish, pixel, channel, sum);
}

}  // namespace

void finishSums(const conv::Problem& problem, const Source& sums, const StepMemory& memory,
                cudaStream_t stream) {
  const conv::Finish finish = conv::finishOf(problem, memory);
  const std::int64_t channels = std::int64_t{problem.groups} * problem.resultChannels;
  withFloatType(problem.resultType, [&](auto element) {
    using T = decltype(element);
    withPacks<kPackElements<T>>(
        channels, sizeof(T), {sums, finish.residual, finish.result.asSource()}, [&](auto count) {
          const PixelPacks packs{problem.resultPixels(), channels / count};
          launch<finishSumsKernel<T, count>>(packs.shape(), stream, sums, finish, packs);
        });
  });
}

}  // namespace ocrnet::cuda::cudnn

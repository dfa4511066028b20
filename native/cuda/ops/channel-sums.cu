#include "cuda/device/shared.h"
#include "cuda/ops/channel-tiles.h"

namespace ocrnet::cuda {

namespace {

/// Sums over the pixels of each range: (ranges, channels).
template <class T, int count>
__global__ void __launch_bounds__(ChannelTile<count>::kThreads)
    channelSumsKernel(Source x, Source other, PixelRanges ranges, float* partial) {
  using Tile = ChannelTile<count>;
  const std::int64_t channel = Tile::channel();
  const bool inside = channel < ranges.channels;
  float sums[count] = {};
  if (inside) {
    ranges.each<count>([&](std::int64_t pixel) {
      float a[count], b[count];
      loadPack<count>(x.as<T>() + pixel * x.stride + channel, a);
      if (other.data) loadPack<count>(other.as<T>() + pixel * other.stride + channel, b);
#pragma unroll
      for (int k = 0; k < count; ++k) sums[k] = other.data ? fmaf(a[k], b[k], sums[k]) : sums[k] + a[k];
    });
  }
  sumRows(sums, sharedMemory<RowSumMemory<count>>());
  if (!inside || Tile::row() != 0) return;
  storeChannels(partial + blockIdx.x * ranges.channels, channel, sums);
}

__global__ void __launch_bounds__(kJoinThreads)
    joinSumsKernel(const float* partial, std::int64_t rangeCount, std::int64_t channels, float* y) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kWarpLanes + threadIdx.x % kWarpLanes;
  const bool inside = channel < channels;
  const double sum = joinRanges(rangeCount, inside, sharedMemory<JoinMemory>(), [&](std::int64_t range) {
    return static_cast<double>(partial[range * channels + channel]);
  });
  if (inside && threadIdx.x < kWarpLanes) y[channel] = static_cast<float>(sum);
}

Choice chooseChannelSums(const StepDescription& step, const Device&) {
  const PixelRanges ranges = PixelRanges::forSums(*step.input(0));
  return {.scratchBytes = ranges.count() * ranges.channels * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareChannelSums(const StepDescription& step, const Device& device,
                                                 Parameters&) {
  requireChoice(step, chooseChannelSums(step, device));
  const TensorInfo& x = *step.input(0);
  return preparedStep([type = x.dataType, ranges = PixelRanges::forSums(x), xStride = x.pixelStride,
                       otherStride = step.input(1) ? step.input(1)->pixelStride : 0](const StepMemory& memory,
                                                                                     cudaStream_t stream) {
    const Source x{memory.inputs[0], xStride}, other{memory.inputs[1], otherStride};
    auto* const partial = memory.scratchAs<float>();
    withFloatType(type, [&](auto element) {
      using T = decltype(element);
      withPacks<kPackElements<T>>(ranges.channels, sizeof(T), {x, other}, [&](auto count) {
        launch<channelSumsKernel<T, count>>(ranges.shape<count>(sizeof(RowSumMemory<count>)), stream, x,
                                            other, ranges, partial);
      });
    });
    launch<joinSumsKernel>(joinShape(ranges.channels), stream, partial, ranges.count(), ranges.channels,
                           memory.out<float>(0));
  });
}

}  // namespace

const Op channelSumsOp{.choose = chooseChannelSums, .prepare = prepareChannelSums};

}  // namespace ocrnet::cuda

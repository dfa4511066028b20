// Depthwise convolutions and their input's gradients: a filter for each channel. A thread has a pack of
// channels of some pixels, a block a few packs with their filters in shared memory. Bound by the bytes of
// sources and results, since the taps of neighbouring pixels come from the caches.

#include <algorithm>

#include "cuda/conv/algorithm.h"
#include "cuda/conv/finish.h"
#include "cuda/device/shared.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda::conv {

namespace {

constexpr int kThreads = 256, kMostPacks = 32, kPixelsOfThread = 8, kMostTaps = 49;

struct Depthwise {
  Source source;
  const float* filter;  // (channels, taps)
  Axis vertical, horizontal;
  int channels, packs;  // packs: of channels, of a block
  std::int64_t pixels;
  Finish finish;
};

template <class T, int count>
__global__ void __launch_bounds__(kThreads) depthwiseKernel(Depthwise d) {
  float* const filter = &sharedMemory<float>();  // (taps, the block's channels)
  const int thread = static_cast<int>(threadIdx.x), taps = d.vertical.taps * d.horizontal.taps;
  const int width = d.packs * count, firstChannel = static_cast<int>(blockIdx.y) * width;
  for (int i = thread; i < taps * width; i += kThreads) {
    const int channel = firstChannel + i % width;
    filter[i] = channel < d.channels ? d.filter[static_cast<std::int64_t>(channel) * taps + i / width] : 0;
  }
  __syncthreads();

  const int ownChannel = thread % d.packs * count, channel = firstChannel + ownChannel;
  const int rowsOfThreads = kThreads / d.packs, ownRow = thread / d.packs;
  if (ownRow >= rowsOfThreads || channel >= d.channels) return;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * rowsOfThreads * kPixelsOfThread + ownRow;
  for (int i = 0; i < kPixelsOfThread; ++i) {
    const std::int64_t pixel = first + static_cast<std::int64_t>(i) * rowsOfThreads;
    if (pixel >= d.pixels) return;
    const int column = static_cast<int>(pixel % d.horizontal.results);
    const std::int64_t line = pixel / d.horizontal.results;
    const int row = static_cast<int>(line % d.vertical.results);
    const std::int64_t image = line / d.vertical.results;
    const Phase down = phaseOf(d.vertical, row % d.vertical.divisor);
    const Phase across = phaseOf(d.horizontal, column % d.horizontal.divisor);
    const int top = row / d.vertical.divisor * down.multiplier + down.offset;
    const int left = column / d.horizontal.divisor * across.multiplier + across.offset;
    float sum[count] = {};
    for (int u = 0; u < down.taps; ++u) {
      const int y = top + u * down.step;
      if (!inside(y, d.vertical.sources)) continue;
      for (int v = 0; v < across.taps; ++v) {
        const int x = left + v * across.step;
        if (!inside(x, d.horizontal.sources)) continue;
        const std::int64_t at = (image * d.vertical.sources + y) * d.horizontal.sources + x;
        const int tap = down.tapAt(u) * d.horizontal.taps + across.tapAt(v);
        float from[count];
        loadPack<count>(d.source.as<T>() + at * d.source.stride + channel, from);
#pragma unroll
        for (int k = 0; k < count; ++k) sum[k] += from[k] * filter[tap * width + ownChannel + k];
      }
    }
    finish<T>(d.finish, pixel, channel, sum);
  }
}

bool supportsDepthwise(const Problem& p, const Device&) {
  return p.sourceChannels == 1 && p.resultChannels == 1 && p.taps() <= kMostTaps;
}

Estimate estimateDepthwise(const Problem& p, const Device& device) {
  constexpr double kStartMicroseconds = 4, kBytesPerMicrosecond = 2e4;  // of one multiprocessor
  const double pixels = static_cast<double>(p.sourcePixels() + p.resultPixels());
  const double bytes = pixels * p.groups * static_cast<double>(bytesPerElement(p.sourceType));
  return {"depthwise", kStartMicroseconds + bytes / (kBytesPerMicrosecond * device.multiprocessors), 0};
}

std::unique_ptr<PreparedStep> prepareDepthwise(const Problem& p, const StepDescription&, const Device&,
                                               Parameters&) {
  return preparedStep([=](const StepMemory& memory, cudaStream_t stream) {
    Depthwise d{.source = {memory.inputs[kSourceInput], p.sourceStride},
                .filter = memory.in<float>(kFilterInput),
                .vertical = p.vertical,
                .horizontal = p.horizontal,
                .channels = p.groups,
                .packs = 0,
                .pixels = p.resultPixels(),
                .finish = finishOf(p, memory)};
    withFloatType(p.sourceType, [&](auto element) {
      using T = decltype(element);
      const Source result{d.finish.result.data, d.finish.result.stride};
      // Packs of results that are wider than their sources are aligned to less than their size.
      const std::int64_t widest = bytesPerElement(p.resultType);
      withPacks<kPackElements<T>>(d.channels, widest, {d.source, d.finish.residual, result}, [&](auto count) {
        d.packs = std::min<int>(kMostPacks, divideUp(d.channels, count));
        const int pixelsOfBlock = kThreads / d.packs * kPixelsOfThread, width = d.packs * count;
        const LaunchShape shape{dim3(static_cast<unsigned>(divideUp(d.pixels, std::int64_t{pixelsOfBlock})),
                                     static_cast<unsigned>(divideUp(d.channels, width))),
                                kThreads, static_cast<std::size_t>(p.taps()) * width * sizeof(float)};
        launch<depthwiseKernel<T, count>>(shape, stream, d);
      });
    });
  });
}

}  // namespace

const Algorithm depthwise{supportsDepthwise, estimateDepthwise, prepareDepthwise};

}  // namespace ocrnet::cuda::conv

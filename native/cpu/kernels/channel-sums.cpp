#include "cpu/kernels/channel-reduction.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

template <class T>
inline const T* at(const Source& source, std::int64_t pixel, std::int64_t channel) {
  return static_cast<const T*>(source.data) + pixel * source.stride + channel;
}

}  // namespace

void channelSums(const ChannelTerms& terms, Range pixels, Range channels, float* sums) {
  clearSums(channels, sums);
  withFloatType(terms.type, [&](auto type) {
    using T = decltype(type);
    if (terms.other.data) {
      return reduceChannels<1>(pixels, channels, {sums},
                               [terms](std::int64_t pixel, std::int64_t channel, auto lanes, Vec* total) {
                                 total[0] = fma(load(at<T>(terms.x, pixel, channel), lanes),
                                                load(at<T>(terms.other, pixel, channel), lanes), total[0]);
                               });
    }
    reduceChannels<1>(pixels, channels, {sums},
                      [terms](std::int64_t pixel, std::int64_t channel, auto lanes, Vec* total) {
                        total[0] = add(total[0], load(at<T>(terms.x, pixel, channel), lanes));
                      });
  });
}

void channelMoments(const ChannelTerms& terms, Range pixels, Range channels, float* shift, float* sums,
                    float* squares) {
  // The mean of the first pixels: near the mean of all, also where one of them lies far out.
  constexpr std::int64_t kShiftPixels = 16;
  const Range some{pixels.first, pixels.size() < kShiftPixels ? pixels.end : pixels.first + kShiftPixels};
  channelSums({terms.type, terms.x, {nullptr, 0}}, some, channels, shift);
  const Vec share = broadcast(1.0f / static_cast<float>(some.size()));
  for (std::int64_t c = channels.first; c < channels.end; c += kLanes)
    store(shift + c, mul(share, load(shift + c)));

  clearSums(channels, sums);
  clearSums(channels, squares);
  withFloatType(terms.type, [&](auto type) {
    using T = decltype(type);
    reduceChannels<2>(pixels, channels, {sums, squares},
                      [x = terms.x, shift](std::int64_t pixel, std::int64_t channel, auto lanes, Vec* total) {
                        const Vec d = sub(load(at<T>(x, pixel, channel), lanes), load(shift + channel));
                        total[0] = add(total[0], d);
                        total[1] = fma(d, d, total[1]);
                      });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

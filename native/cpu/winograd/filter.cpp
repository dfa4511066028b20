#include <algorithm>
#include <cstring>

#include "core/integers.h"
#include "cpu/parallel.h"
#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

namespace {

// Channels that are packed together: a cache line of each output channel's taps.
constexpr std::int64_t kChannelBlock = 16;

constexpr std::int64_t kGrainElements = 16 << 10;  // worth a thread

/// Output channels of a panel.
std::int64_t panelChannels(const Problem& problem, const Device& device) {
  const Kernels& kernels = kernelsFor(device.isa);
  return kernels.panelVectors(problem.channelsOut) * kernels.lanes;
}

/// Elements from one index of the filter in memory to the next; `first` is where all are zero.
struct FilterStrides {
  std::int64_t first, output, tap, channel;

  explicit FilterStrides(const Problem& problem) {
    if (problem.filterOrder == FilterOrder::transposed) {
      first = (kTaps - 1) * problem.channelsOut, output = 1;
      tap = -problem.channelsOut, channel = kTaps * problem.channelsOut;
    } else {
      first = 0, output = kTaps * problem.channelsIn, tap = problem.channelsIn, channel = 1;
    }
  }
};

/// visit(place in the packed filter, place in the filter, output channels used) for each tap of a panel and
/// channel: the output channels lie side by side in the packed filter.
template <class Visit>
void eachPackedTap(const Problem& problem, const Device& device, const Visit& visit) {
  const std::int64_t panel = panelChannels(problem, device);
  const std::int64_t panels = divideUp(problem.channelsOut, panel);
  const std::int64_t blocks = divideUp(problem.channelsIn, kChannelBlock);
  const FilterStrides from(problem);
  const std::int64_t grain = kGrainElements / (panel * kTaps * kChannelBlock);
  parallel(device.threads, panels * blocks, grain, [&](Range range, int) {
    for (std::int64_t i = range.first; i < range.end; ++i) {
      const std::int64_t first = i / blocks * panel, used = std::min(panel, problem.channelsOut - first);
      const std::int64_t firstChannel = i % blocks * kChannelBlock;
      const std::int64_t channels = std::min(kChannelBlock, problem.channelsIn - firstChannel);
      for (std::int64_t tap = 0; tap < kTaps; ++tap) {
        visit((i / blocks * problem.channelsIn + firstChannel) * kTaps * panel + tap * panel,
              from.first + first * from.output + firstChannel * from.channel + tap * from.tap, used, channels,
              panel);
      }
    }
  });
}

}  // namespace

std::size_t packedFilterBytes(const Problem& problem, const Device& device) {
  const std::int64_t channelsOut = roundUp(problem.channelsOut, panelChannels(problem, device));
  return static_cast<std::size_t>(channelsOut * problem.channelsIn * kTaps) * sizeof(float);
}

void packFilter(const Problem& problem, const Device& device, const float* filter, float* packed) {
  const FilterStrides from(problem);
  eachPackedTap(problem, device,
                [=](std::int64_t place, std::int64_t element, std::int64_t used, std::int64_t channels,
                    std::int64_t panel) {
                  if (from.output == 1) {
                    for (std::int64_t c = 0; c < channels; ++c) {
                      float* const to = packed + place + c * kTaps * panel;
                      std::memcpy(to, filter + element + c * from.channel, used * sizeof(float));
                      std::fill(to + used, to + panel, 0.0f);
                    }
                    return;
                  }
                  for (std::int64_t k = 0; k < panel; ++k) {
                    for (std::int64_t c = 0; c < channels; ++c) {
                      packed[place + c * kTaps * panel + k] =
                          k < used ? filter[element + k * from.output + c] : 0.0f;
                    }
                  }
                });
}

void unpackFilter(const Problem& problem, const Device& device, const float* packed, float* filter) {
  const FilterStrides from(problem);
  eachPackedTap(problem, device,
                [=](std::int64_t place, std::int64_t element, std::int64_t used, std::int64_t channels,
                    std::int64_t panel) {
                  for (std::int64_t k = 0; k < used; ++k) {
                    for (std::int64_t c = 0; c < channels; ++c) {
                      filter[element + k * from.output + c * from.channel] =
                          packed[place + c * kTaps * panel + k];
                    }
                  }
                });
}

}  // namespace ocrnet::cpu::winograd

#include <algorithm>
#include <cstring>

#include "core/integers.h"
#include "cpu/winograd/kernels/kernels.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

namespace {

/// Output channels of a panel.
std::int64_t panelChannels(const Problem& problem, const Device& device) {
  const Kernels& kernels = kernelsFor(device.isa);
  return kernels.panelVectors(problem.channelsOut) * kernels.lanes;
}

/// visit(place in the packed filter, place in the filter) for each tap. The last panel may have room left.
template <class Visit>
void eachPackedTap(const Problem& problem, std::int64_t panel, const Visit& visit) {
  std::int64_t at = 0;
  for (std::int64_t first = 0; first < problem.channelsOut; first += panel) {
    const std::int64_t used = std::min(panel, problem.channelsOut - first);
    for (std::int64_t c = 0; c < problem.channelsIn; ++c) {
      for (std::int64_t tap = 0; tap < kTaps; ++tap, at += panel) {
        for (std::int64_t k = 0; k < used; ++k)
          visit(at + k, ((first + k) * kTaps + tap) * problem.channelsIn + c);
      }
    }
  }
}

}  // namespace

std::size_t packedFilterBytes(const Problem& problem, const Device& device) {
  const std::int64_t channelsOut = roundUp(problem.channelsOut, panelChannels(problem, device));
  return static_cast<std::size_t>(channelsOut * problem.channelsIn * kTaps) * sizeof(float);
}

void packFilter(const Problem& problem, const Device& device, const float* filter, float* packed) {
  std::memset(packed, 0, packedFilterBytes(problem, device));
  eachPackedTap(problem, panelChannels(problem, device),
                [=](std::int64_t place, std::int64_t tap) { packed[place] = filter[tap]; });
}

void unpackFilter(const Problem& problem, const Device& device, const float* packed, float* filter) {
  eachPackedTap(problem, panelChannels(problem, device),
                [=](std::int64_t place, std::int64_t tap) { filter[tap] = packed[place]; });
}

}  // namespace ocrnet::cpu::winograd

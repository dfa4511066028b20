#pragma once

#include "cuda/meeting-step.h"
#include "cuda/ops/channel-tiles.h"
#include "cuda/ops/member-sums.h"

namespace ocrnet::cuda {

/// What forward and backward compute before residual and activation, with the same bits: a pixel that was
/// clipped there counts as clipped here, however near the corner it lies.
__device__ __forceinline__ float normalised(float centred, float scale, float bias) {
  return fmaf(centred, scale, bias);
}

/// Floats of one vector over the channels, and of one for each range, in whole pieces of 256 bytes.
inline constexpr std::int64_t kScratchFloats = 64;
inline std::int64_t vectorFloats(std::int64_t channels) { return roundUp(channels, kScratchFloats); }
inline std::int64_t partialFloats(const PixelRanges& ranges) {
  return roundUp(ranges.count() * ranges.channels, kScratchFloats);
}

/// A thread for each channel.
inline LaunchShape channelShape(std::int64_t channels) {
  return {dim3(static_cast<unsigned>(divideUp(channels, std::int64_t{kElementThreads}))), kElementThreads};
}

/// What the device brings to a meeting of its group, and what it takes from it: behind all other scratch.
struct MeetingSums {
  MemberSums own, whole;

  MeetingSums(std::int64_t channels, std::byte* memory)
      : own(channels, memory), whole(channels, memory + MemberSums::bytes(channels)) {}
  static std::size_t bytes(std::int64_t channels) { return 2 * MemberSums::bytes(channels); }

  Exchange exchange() const {
    return {reinterpret_cast<const std::byte*>(own.first), reinterpret_cast<std::byte*>(whole.first)};
  }
};

/// A batch norm over a batch that the group's members share: the passes of one that is alone, between which
/// the members `combine` what each has of the statistics.
template <class Passes, auto combine>
class SynchronisedPasses : public MeetingStep {
 public:
  explicit SynchronisedPasses(const Passes& passes) : passes_(passes), ranges_(passes.ranges()) {}

  std::size_t bytes() const final { return MemberSums::bytes(ranges_.channels); }
  Exchange exchange(const StepMemory& memory) const final { return sums(memory).exchange(); }
  void meet(MemberMemories memories, const Membership& place) const final {
    combine(memories, place, ranges_.channels);
  }

 protected:
  MeetingSums sums(const StepMemory& memory) const {
    return {ranges_.channels, memory.scratch + passes_.scratchBytes()};
  }

  const Passes passes_;
  const PixelRanges ranges_;
};

}  // namespace ocrnet::cuda

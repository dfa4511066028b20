#pragma once

#include "cuda/op.h"
#include "runtime/group.h"

namespace ocrnet::cuda {

/// What a step gives to its group and what it takes from it, in the device's memory.
struct Exchange {
  const std::byte* gives;
  std::byte* takes;
};

/// A step in two parts, between which it meets the other members of its group: what the first part leaves is
/// copied to the processor's memory, where all see it, and back for the second.
class MeetingStep : public PreparedStep {
 public:
  MeetingStep* meeting() final { return this; }
  /// That are exchanged, as many on all members.
  virtual std::size_t bytes() const = 0;
  virtual Exchange exchange(const StepMemory& memory) const = 0;
  /// Makes of what all have given what all take, in the same memory: each member its share, for all.
  virtual void meet(MemberMemories memories, const Membership& place) const = 0;
  /// As `enqueue`, when what the step takes is there.
  virtual void enqueueRest(const StepMemory& memory, cudaStream_t stream) = 0;
};

}  // namespace ocrnet::cuda

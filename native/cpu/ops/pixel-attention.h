#pragma once

// The scratch of attention over pixels, that of all pixels (attend-pixels) and that of rows and columns
// (attend-criss-cross): what the kernels want of one thread, and where it lies.

#include "cpu/ops/direct.h"

namespace ocrnet::cpu {

/// The scratch of one thread for AttendPixels, in floats.
class AttentionScratch {
 public:
  /// `copiesKeys`: keys are not read where they lie.
  AttentionScratch(const StepDescription& step, std::int64_t keyBlock, bool copiesKeys)
      : keyBlock_(keyBlock),
        depth_(step.input(0)->channels()),
        channels_(roundUp(step.input(2)->channels(), kMostLanes)),
        keyRows_(copiesKeys ? roundUp(keyBlock * depth_, kMostLanes) : 0) {}

  std::int64_t floats() const {
    return kAttentionBlock * (depth_ + channels_ + 3) + keyRows_ + keyBlock_ * (channels_ + kWeightStride);
  }

  /// Gives a call its scratch; returns what follows it.
  float* give(AttendPixels& a, float* scratch) const {
    const auto take = [&](std::int64_t floats) {
      float* const taken = scratch;
      scratch += floats;
      return taken;
    };
    a.keyBlock = keyBlock_;
    a.queries = take(kAttentionBlock * depth_);
    float* const keyRows = take(keyRows_);
    a.keyRows = keyRows_ > 0 ? keyRows : nullptr;
    a.values = take(keyBlock_ * channels_);
    a.weights = take(keyBlock_ * kWeightStride);
    a.sums = take(kAttentionBlock * channels_);
    a.state = take(3 * kAttentionBlock);
    return scratch;
  }

 private:
  std::int64_t keyBlock_, depth_, channels_, keyRows_;
};

/// The scratch of one thread for AttendPixelsGradient, in floats.
class AttentionGradientScratch {
 public:
  explicit AttentionGradientScratch(const StepDescription& step)
      : depth_(roundUp(step.input(0)->channels(), kMostLanes)),
        channels_(roundUp(step.input(2)->channels(), kMostLanes)) {}

  std::int64_t floats() const {
    return 2 * kAttentionGroup * (depth_ + channels_ + 1) + kGradientKeys * (depth_ + 2 * kWeightStride);
  }

  /// Gives a call its scratch; returns what follows it.
  float* give(AttendPixelsGradient& a, float* scratch) const {
    const auto take = [&](std::int64_t floats) {
      float* const taken = scratch;
      scratch += floats;
      return taken;
    };
    a.queryColumns = take(kAttentionGroup * depth_);
    a.queryRows = take(kAttentionGroup * depth_);
    a.dyColumns = take(kAttentionGroup * channels_);
    a.dyRows = take(kAttentionGroup * channels_);
    a.keyRows = take(kGradientKeys * depth_);
    a.weights = take(kGradientKeys * kWeightStride);
    a.scores = take(kGradientKeys * kWeightStride);
    a.logSumExp = take(kAttentionGroup);
    a.means = take(kAttentionGroup);
    return scratch;
  }

 private:
  std::int64_t depth_, channels_;
};

/// A call over all pixels of a step of either attention; data and scratch come with each execution.
AttendPixels describeAttention(const StepDescription& step, float scale);
AttendPixelsGradient describeAttentionGradient(const StepDescription& step, float scale);

/// Puts the addresses of an execution in.
void locate(AttendPixels& a, const StepMemory& memory);
void locate(AttendPixelsGradient& a, const StepMemory& memory);

}  // namespace ocrnet::cpu

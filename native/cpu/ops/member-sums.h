#pragma once

#include "cpu/ops/channel-blocks.h"

namespace ocrnet::cpu {

/// Two vectors of sums over pixels in float64, one number a channel, and the number of pixels: of one device,
/// or of each member of its group. What is made of them in the order of the members has the same bits on all.
class MemberSums {
 public:
  /// One behind the other: the vectors, each of blocks.stride(), and the count.
  static std::int64_t doubles(const ChannelBlocks& blocks) { return 2 * blocks.stride() + kMostLanes; }
  static std::size_t bytes(const ChannelBlocks& blocks) { return doubles(blocks) * sizeof(double); }

  /// Calls use(sums) while the sums of all may be read, and waits for the others where there is a group: it
  /// must not change them. `sums` has the vectors, the count is put behind them.
  template <class Use>
  static void whole(const ChannelBlocks& blocks, double* sums, const Meetings* group, const Use& use) {
    sums[2 * blocks.stride()] = static_cast<double>(blocks.pixels);
    const std::span<std::byte> memory = std::as_writable_bytes(std::span(sums, doubles(blocks)));
    if (group) {
      group->meet(memory, [&](MemberMemories memories) { use(MemberSums(memories, blocks.stride())); });
    } else {
      use(MemberSums(std::span(&memory, 1), blocks.stride()));
    }
  }

  /// Of all.
  double pixels() const { return pixels_; }

  /// body(first vector, second vector, pixels) for each.
  template <class Body>
  void each(const Body& body) const {
    for (const std::span<std::byte> memory : memories_) {
      const auto* const sums = reinterpret_cast<const double*>(memory.data());
      body(sums, sums + stride_, sums[2 * stride_]);
    }
  }

 private:
  MemberSums(MemberMemories memories, std::int64_t stride) : memories_(memories), stride_(stride) {
    each([&](const double*, const double*, double pixels) { pixels_ += pixels; });
  }

  MemberMemories memories_;
  std::int64_t stride_;
  double pixels_ = 0;
};

}  // namespace ocrnet::cpu

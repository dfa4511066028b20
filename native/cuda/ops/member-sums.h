#pragma once

// What batch norms over a batch that several devices share bring to their group.

#include "core/integers.h"
#include "runtime/group.h"

namespace ocrnet::cuda {

/// Two vectors over the channels in float64, sums over the pixels of a part of the batch, and the number of
/// its pixels. When the members have met, sums over the whole batch, and the number of its pixels behind that
/// of the part.
struct MemberSums {
  double *first, *second, *pixels, *allPixels;

  MemberSums(std::int64_t channels, std::byte* memory)
      : first(reinterpret_cast<double*>(memory)),
        second(first + stride(channels)),
        pixels(second + stride(channels)),
        allPixels(pixels + 1) {}

  static std::size_t bytes(std::int64_t channels) {
    return static_cast<std::size_t>(2 * stride(channels) + kPiece) * sizeof(double);
  }

 private:
  static constexpr std::int64_t kPiece = 32;  // whole pieces of 256 bytes
  static std::int64_t stride(std::int64_t channels) { return roundUp(channels, kPiece); }
};

/// Of means and sums of squared distances from them: those over all members (Chan, Golub and LeVeque 1979).
/// In float64 and in the order of the members: the same bits for all, as on the processor.
void joinMoments(MemberMemories memories, const Membership& place, std::int64_t channels);

/// Of sums, in the same way.
void addSums(MemberMemories memories, const Membership& place, std::int64_t channels);

}  // namespace ocrnet::cuda

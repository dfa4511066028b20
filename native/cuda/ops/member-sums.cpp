#include "cuda/ops/member-sums.h"

#include <vector>

namespace ocrnet::cuda {

namespace {

/// join(parts, channel, pixels of all) for the member's share of the channels: what it gives becomes the sums
/// of all members.
template <class Join>
void joinShare(MemberMemories memories, const Membership& place, std::int64_t channels, const Join& join) {
  std::vector<MemberSums> parts;
  for (const std::span<std::byte> memory : memories) parts.emplace_back(channels, memory.data());
  double pixels = 0;
  for (const MemberSums& part : parts) pixels += *part.pixels;
  *parts[place.member()].allPixels = pixels;  // the others have their own
  const Range share = place.share(channels);
  for (std::int64_t c = share.first; c < share.end; ++c) {
    const auto [first, second] = join(parts, c, pixels);
    for (const MemberSums& part : parts) part.first[c] = first, part.second[c] = second;
  }
}

}  // namespace

void joinMoments(MemberMemories memories, const Membership& place, std::int64_t channels) {
  joinShare(memories, place, channels,
            [](const std::vector<MemberSums>& parts, std::int64_t c, double pixels) {
              double mean = 0, squares = 0;
              for (const MemberSums& part : parts) mean += *part.pixels / pixels * part.first[c];
              for (const MemberSums& part : parts) {
                const double distance = part.first[c] - mean;
                squares += part.second[c] + *part.pixels * distance * distance;
              }
              return std::pair(mean, squares);
            });
}

void addSums(MemberMemories memories, const Membership& place, std::int64_t channels) {
  joinShare(memories, place, channels, [](const std::vector<MemberSums>& parts, std::int64_t c, double) {
    double first = 0, second = 0;
    for (const MemberSums& part : parts) first += part.first[c], second += part.second[c];
    return std::pair(first, second);
  });
}

}  // namespace ocrnet::cuda

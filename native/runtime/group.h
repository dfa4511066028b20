#pragma once

// Devices of one process that compute together: each runs the same plan on a part of the batch, and steps
// that need all parts meet. Nothing is sent, since all memory is in one process: who meets shows the others
// where its numbers lie.
//
// A meeting has two ends. Until all have come everybody may still give up: a run that was aborted, that
// failed or whose device is gone breaks the group, and all who wait throw. Once all have come nobody may, for
// the others read its memory: each computes, which takes a bounded time, and leaves when all have done so.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/range.h"
#include "runtime/cancellation.h"

namespace ocrnet {

/// What each member brought to a meeting, in the order of the members.
using MemberMemories = std::span<const std::span<std::byte>>;

/// Elements `range` of float32 vectors: in each member's memory their sum over all members, or its mean,
/// added in float64 in the order of the members and rounded once. Nobody else may touch these elements
/// meanwhile.
void reduceRange(MemberMemories memories, Range range, bool average);

class Group {
 public:
  static constexpr std::size_t kMostMembers = 64;

  /// Throws Error("INVALID_ARGUMENT") for other sizes than 1 to kMostMembers.
  explicit Group(std::size_t size);

  std::size_t size() const { return memories_.size(); }

  /// Waits for all members, calls body(memories) on the thread of each, and returns when all bodies have. The
  /// memory is as large on all members and aligned to 64 bytes.
  ///
  /// Throws Error: ABORTED for the caller's cancellation, which breaks the group, or where the group is or
  /// gets broken; INVALID_ARGUMENT on all members where they bring different sizes: they run different plans.
  void meet(std::size_t member, std::span<std::byte> memory, const Cancellation& cancellation,
            const std::function<void(MemberMemories)>& body);

  /// Ends all meetings that are not complete, and those to come.
  void breakUp();

  /// Lets a broken group meet again. No member may be in a run: throws Error("INVALID_ARGUMENT") where one
  /// waits.
  void renew();

 private:
  friend class Membership;

  void arrive(std::size_t member, std::span<std::byte> memory, const Cancellation& cancellation);
  void leave();
  void requireMember(std::size_t member) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::span<std::byte>> memories_;  // changed by nobody from the last arrival to the last leave
  std::vector<bool> present_;
  std::vector<std::size_t> plans_;  // loaded by each member
  std::size_t arrived_ = 0, left_ = 0;
  std::uint64_t meetings_ = 0, ended_ = 0;  // complete, and over
  bool broken_ = false;
};

/// A loaded plan's place in a group. With a member's last plan the group breaks: nobody waits for who cannot
/// come.
class Membership {
 public:
  /// Throws Error("INVALID_ARGUMENT") where there is no such member.
  Membership(std::shared_ptr<Group> group, std::size_t member);
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  Group& group() const { return *group_; }
  std::size_t member() const { return member_; }
  /// One of the equal parts of a work that all members can do for all.
  Range share(std::int64_t count) const {
    return Range{0, count}.part(static_cast<std::int64_t>(member_),
                                static_cast<std::int64_t>(group_->size()));
  }

 private:
  std::shared_ptr<Group> group_;
  std::size_t member_;
};

/// The way of one run's steps to the group.
struct Meetings {
  const Membership& place;
  const Cancellation& cancellation;

  void meet(std::span<std::byte> memory, const std::function<void(MemberMemories)>& body) const {
    place.group().meet(place.member(), memory, cancellation, body);
  }
};

}  // namespace ocrnet

#include "runtime/group.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>

#include "core/error.h"

namespace ocrnet {

namespace {

/// How soon who waits sees that its own run is to stop; flags wake nobody.
constexpr std::chrono::milliseconds kPatience{10};

Error brokenUp() {
  return {"ABORTED", "Another device of the group stopped: its run was aborted or failed, or it is gone"};
}

}  // namespace

void reduceRange(MemberMemories memories, Range range, bool average) {
  constexpr std::int64_t kBlock = 512;  // sums that stay in the first cache
  double sums[kBlock];
  const double divisor = average ? static_cast<double>(memories.size()) : 1;
  for (std::int64_t first = range.first; first < range.end; first += kBlock) {
    const std::int64_t count = std::min(kBlock, range.end - first);
    std::fill_n(sums, count, 0.0);
    for (const std::span<std::byte> memory : memories) {
      const float* const values = reinterpret_cast<const float*>(memory.data()) + first;
      for (std::int64_t i = 0; i < count; ++i) sums[i] += static_cast<double>(values[i]);
    }
    for (std::int64_t i = 0; i < count; ++i) sums[i] /= divisor;
    for (const std::span<std::byte> memory : memories) {
      float* const values = reinterpret_cast<float*>(memory.data()) + first;
      for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(sums[i]);
    }
  }
}

Group::Group(std::size_t size) {
  if (size < 1 || size > kMostMembers) {
    throw Error("INVALID_ARGUMENT", "Invalid size of a group: expected 1 to " + std::to_string(kMostMembers) +
                                        ", received " + std::to_string(size));
  }
  memories_.resize(size);
  present_.resize(size);
  plans_.resize(size);
}

void Group::meet(std::size_t member, std::span<std::byte> memory, const Cancellation& cancellation,
                 const std::function<void(MemberMemories)>& body) {
  requireMember(member);
  arrive(member, memory, cancellation);
  const bool equal = std::ranges::all_of(
      memories_, [&](std::span<std::byte> other) { return other.size() == memory.size(); });
  std::exception_ptr error;
  try {
    if (equal) body(memories_);
  } catch (...) {
    error = std::current_exception();
  }
  leave();
  if (error) std::rethrow_exception(error);
  if (!equal) {
    throw Error("INVALID_ARGUMENT",
                "The devices of the group run different plans: they meet with numbers of different sizes");
  }
}

void Group::arrive(std::size_t member, std::span<std::byte> memory, const Cancellation& cancellation) {
  std::unique_lock lock(mutex_);
  if (broken_) throw brokenUp();
  if (present_[member]) {
    throw Error("INVALID_ARGUMENT", "Two devices are member " + std::to_string(member) + " of the group");
  }
  memories_[member] = memory;
  present_[member] = true;
  if (++arrived_ == size()) {
    ++meetings_;
    changed_.notify_all();
    return;
  }
  const auto giveUp = [&] {
    present_[member] = false;
    --arrived_;
    broken_ = true;
    changed_.notify_all();
  };
  const std::uint64_t before = meetings_;
  while (meetings_ == before) {
    try {
      if (broken_) throw brokenUp();
      cancellation.check();
    } catch (...) {
      giveUp();
      throw;
    }
    changed_.wait_for(lock, kPatience);
  }
}

void Group::leave() {
  std::unique_lock lock(mutex_);
  const std::uint64_t before = ended_;
  if (++left_ == size()) {
    std::fill(present_.begin(), present_.end(), false);
    arrived_ = left_ = 0;
    ++ended_;
    changed_.notify_all();
    return;
  }
  changed_.wait(lock, [&] { return ended_ != before; });
}

void Group::breakUp() {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  changed_.notify_all();
}

void Group::renew() {
  const std::lock_guard lock(mutex_);
  if (arrived_ > 0) {
    throw Error("INVALID_ARGUMENT", "A group is renewed while no device runs: " + std::to_string(arrived_) +
                                        " of its members wait");
  }
  broken_ = false;
}

void Group::requireMember(std::size_t member) const {
  if (member < size()) return;
  throw Error("INVALID_ARGUMENT", "Invalid member of a group: expected 0 to " + std::to_string(size() - 1) +
                                      ", received " + std::to_string(member));
}

Membership::Membership(std::shared_ptr<Group> group, std::size_t member)
    : group_(std::move(group)), member_(member) {
  group_->requireMember(member);
  const std::lock_guard lock(group_->mutex_);
  ++group_->plans_[member];
}

Membership::~Membership() {
  const std::lock_guard lock(group_->mutex_);
  if (--group_->plans_[member_] > 0) return;
  group_->broken_ = true;
  group_->changed_.notify_all();
}

}  // namespace ocrnet

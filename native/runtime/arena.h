#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <set>

#include "runtime/device-memory.h"

namespace ocrnet {

/// Memory that the plans of a device share for their runs: one buffer, as large as the most that one of the
/// loaded plans needs, gone with the last of them. Used on the device's thread alone.
class Arena {
 public:
  /// `what` stands in errors: "its arena".
  Arena(std::shared_ptr<DeviceMemory> memory, const char* what) : memory_(std::move(memory)), what_(what) {}

  /// One plan's need; the arena shrinks when it is destroyed. Must not outlive the arena.
  class Reservation {
   public:
    Reservation(Arena& arena, std::size_t bytes);
    ~Reservation();
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;

    /// 64-byte aligned, at least as many bytes as reserved, valid until the next reservation or its end. What
    /// an earlier run left there may be lost. Throws Error("OUT_OF_MEMORY").
    std::byte* data() const { return arena_.data(); }
    /// Of all that lies there, the same for all plans.
    std::size_t bytes() const { return arena_.bytes(); }

   private:
    Arena& arena_;
    std::multiset<std::size_t>::iterator need_;
  };

  /// Bytes allocated now. On any thread.
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::byte* data();
  void allocate(std::size_t bytes);
  std::size_t largestNeed() const { return needs_.empty() ? 0 : *needs_.rbegin(); }

  std::multiset<std::size_t> needs_;
  std::shared_ptr<DeviceMemory> memory_;
  const char* what_;
  std::shared_ptr<std::byte> buffer_;
  std::atomic<std::size_t> bytes_ = 0;  // the buffer's; other threads read it, too
};

}  // namespace ocrnet

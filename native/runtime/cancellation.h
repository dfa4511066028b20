#pragma once

#include <atomic>
#include <memory>

#include "core/error.h"

namespace ocrnet {

/// A wish to stop, seen by every thread that holds it. It never goes away.
using StopFlag = std::shared_ptr<std::atomic<bool>>;

inline StopFlag makeStopFlag() { return std::make_shared<std::atomic<bool>>(false); }

/// Asked between the steps of a run: stops for the caller's wish or for that of the whole device.
class Cancellation {
 public:
  Cancellation(StopFlag run, StopFlag device) : run_(std::move(run)), device_(std::move(device)) {}

  /// Throws Error("ABORTED") where either is set.
  void check() const {
    if (device_->load(std::memory_order_relaxed)) throw Error("ABORTED", "The device was disposed of");
    if (run_ && run_->load(std::memory_order_relaxed)) throw Error("ABORTED", "The run was aborted");
  }

 private:
  StopFlag run_;  // may be null
  StopFlag device_;
};

}  // namespace ocrnet

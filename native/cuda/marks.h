#pragma once

#include <span>
#include <vector>

#include "cuda/check.h"
#include "cuda/memory.h"

namespace ocrnet::cuda {

/// Marks in a stream, and the times between them.
class Marks {
 public:
  explicit Marks(cudaStream_t stream) : stream_(stream) {}

  void set() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, 0));
    events_.emplace_back(event);
    check(cudaEventRecord(event, stream_));
  }
  /// When the stream has come to the last: one time for each mark but the first.
  void read(std::span<double> milliseconds) const {
    for (std::size_t i = 0; i < milliseconds.size(); ++i) {
      float elapsedMs = 0;
      check(cudaEventElapsedTime(&elapsedMs, events_[i].get(), events_[i + 1].get()));
      milliseconds[i] = static_cast<double>(elapsedMs);
    }
  }

 private:
  cudaStream_t stream_;
  std::vector<Event> events_;
};

}  // namespace ocrnet::cuda

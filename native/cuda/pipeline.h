#pragma once

// How the runs of a device overlap. A run's inputs go to the GPU in one stream, its plan computes in a
// second, its outputs come back in a third, and events order the three: while one run computes, the inputs of
// the next are on their way and the outputs of the last. All plans compute in the same stream, one after the
// other, in one arena.
//
// A run takes one of the slots, memory for its inputs and outputs on the device and pinned on the processor,
// and leaves it when its outputs are with the caller. Until then nobody else writes there: no stream has to
// wait for another run.

#include <array>
#include <atomic>
#include <memory>

#include "cuda/memory.h"
#include "runtime/arena.h"
#include "runtime/in-flight.h"

namespace ocrnet::cuda {

/// What the plans of a device share.
class Pipeline {
 public:
  Pipeline(int device, const std::shared_ptr<CudaMemory>& memory);

  cudaStream_t computeStream() const { return compute_.get(); }

  /// The slots as one plan needs them. Must not outlive the pipeline.
  class Slots {
   public:
    /// Throws Error("OUT_OF_MEMORY"). `bytes` are those of one.
    Slots(Pipeline& pipeline, std::size_t bytes)
        : device_(pipeline.deviceSlots_, kRunsInFlight * bytes),
          host_(pipeline.hostSlots_, kRunsInFlight * bytes) {}

    /// Where a slot begins; valid until a plan is loaded or unloaded. Throws Error("OUT_OF_MEMORY").
    std::byte* onDevice(std::size_t slot) const { return at(device_, slot); }
    std::byte* onHost(std::size_t slot) const { return at(host_, slot); }

   private:
    /// The same for all plans: those of two runs must not overlap.
    static std::byte* at(const Arena::Reservation& slots, std::size_t slot) {
      std::byte* const first = slots.data();
      return first + slot * (slots.bytes() / kRunsInFlight);
    }

    Arena::Reservation device_, host_;
  };

  /// A run's way from its start to its end.
  class Flight {
   public:
    /// Takes a slot; throws std::logic_error where none is free.
    explicit Flight(Pipeline& pipeline);
    /// Waits for all that the run put into the streams.
    ~Flight();
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

    std::size_t slot() const { return slot_; }
    /// Uploads, computation and downloads, in this order.
    void upload(const std::byte* from, std::byte* to, std::size_t bytes);
    cudaStream_t beginComputing();
    void endComputing();
    void download(const std::byte* from, std::byte* to, std::size_t bytes);
    /// Behind all of them.
    void end();
    /// Waits for the end. Throws Error where anything failed.
    void land();

   private:
    Pipeline& pipeline_;
    std::size_t slot_;
    bool landed_ = false;
  };

 private:
  struct Events {
    Event uploaded, computed, downloaded;
  };

  Stream upload_, compute_, download_;
  Arena deviceSlots_, hostSlots_;
  std::array<Events, kRunsInFlight> events_;
  std::array<std::atomic<bool>, kRunsInFlight> taken_{};
};

}  // namespace ocrnet::cuda

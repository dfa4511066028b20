#include "cuda/pipeline.h"

#include <exception>
#include <stdexcept>

#include "cuda/check.h"

namespace ocrnet::cuda {

namespace {

Event makeEvent() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return Event(event);
}

/// What is put into `later` from now on waits for what is in `earlier`.
void order(const Stream& earlier, const Event& event, const Stream& later) {
  check(cudaEventRecord(event.get(), earlier.get()));
  check(cudaStreamWaitEvent(later.get(), event.get(), 0));
}

}  // namespace

Pipeline::Pipeline(int device, const std::shared_ptr<CudaMemory>& memory)
    : upload_(makeStream(device)),
      compute_(makeStream(device)),
      download_(makeStream(device)),
      deviceSlots_(memory, "the inputs and outputs of two runs"),
      hostSlots_(std::make_shared<PinnedHostMemory>(),
                 "pinned copies of the inputs and outputs of two runs") {
  static_assert(kRunsInFlight == 2, "the words above say so");
  for (Events& events : events_) events = {makeEvent(), makeEvent(), makeEvent()};
}

Pipeline::Flight::Flight(Pipeline& pipeline) : pipeline_(pipeline), slot_(0) {
  // The first that is free: plans of which one run is in flight at a time are captured for one slot alone.
  while (slot_ < kRunsInFlight && pipeline.taken_[slot_].exchange(true)) ++slot_;
  if (slot_ == kRunsInFlight) throw std::logic_error("more runs of a GPU were started than there are slots");
}

Pipeline::Flight::~Flight() {
  if (!landed_) {
    for (const Stream* const stream : {&pipeline_.upload_, &pipeline_.compute_, &pipeline_.download_}) {
      try {
        cudaStreamSynchronize(stream->get());
      } catch (const std::exception&) {  // a reset ended all work
      }
    }
  }
  pipeline_.taken_[slot_] = false;
}

void Pipeline::Flight::upload(const std::byte* from, std::byte* to, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, pipeline_.upload_.get()));
}

cudaStream_t Pipeline::Flight::beginComputing() {
  order(pipeline_.upload_, pipeline_.events_[slot_].uploaded, pipeline_.compute_);
  return pipeline_.compute_.get();
}

void Pipeline::Flight::endComputing() {
  order(pipeline_.compute_, pipeline_.events_[slot_].computed, pipeline_.download_);
}

void Pipeline::Flight::download(const std::byte* from, std::byte* to, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, pipeline_.download_.get()));
}

void Pipeline::Flight::end() {
  check(cudaEventRecord(pipeline_.events_[slot_].downloaded.get(), pipeline_.download_.get()));
}

void Pipeline::Flight::land() {
  check(cudaEventSynchronize(pipeline_.events_[slot_].downloaded.get()));
  landed_ = true;
}

}  // namespace ocrnet::cuda

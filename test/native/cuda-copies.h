#pragma once

// Tensors of the tests in a GPU's memory, or in the emulated one's.

#include <cuda_runtime.h>

#include <memory>
#include <utility>
#include <vector>

#include "cuda/backend.h"
#include "cuda/check.h"
#include "cuda/memory.h"
#include "cuda/op.h"
#include "cuda/parameters.h"
#include "guarded-tensor.h"
#ifdef OCRNET_EMULATION
#include "emulation/block.h"
#endif

namespace ocrnet::test {

inline const cuda::Device& cudaDevice() {
  static const cuda::Device device = cuda::describeDevice(0, false);
  return device;
}

/// What an operation is given, and what it leaves.
class CudaCopies {
 public:
  explicit CudaCopies(std::shared_ptr<Weights> weights)
      : stream_(std::make_shared<cuda::Stream>(cuda::makeStream(0))),
        memory_(std::make_shared<cuda::CudaMemory>(0, stream_)),
        parameters_(std::move(weights), memory_) {}

  cuda::Parameters& parameters() { return parameters_; }

  /// With its guards. The tensor must live until `run` has copied it back.
  std::byte* upload(const GuardedTensor& tensor) {
    copies_.emplace_back(tensor.whole(), memory_->allocateUninitialised(tensor.whole().size()));
    std::byte* const copy = copies_.back().second.get();
    memory_->write(tensor.whole(), copy);
    return copy + GuardedTensor::kGuardBytes;
  }

  /// Calls enqueue(stream), waits, and copies everything back. A kernel's fault is an error, after which the
  /// device is as new.
  template <class Enqueue>
  void run(const Enqueue& enqueue) {
    try {
      enqueue(stream_->get());
      for (auto& [tensor, copy] : copies_) memory_->read(copy.get(), tensor);
    } catch (...) {
      cuda::resetAfterFault(0);
      throw;
    }
  }

 private:
  std::shared_ptr<cuda::Stream> stream_;
  std::shared_ptr<cuda::CudaMemory> memory_;
  cuda::Parameters parameters_;
  std::vector<std::pair<std::span<std::byte>, std::shared_ptr<std::byte>>> copies_;
};

}  // namespace ocrnet::test

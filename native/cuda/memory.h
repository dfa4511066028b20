#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "core/error.h"
#include "runtime/device-memory.h"

namespace ocrnet::cuda {

/// A kernel's fault leaves nothing usable of what the process has on the GPU. Where there was one, resets it:
/// all that was made there before is gone, and its owners know that by the number of resets. Throws Error.
void resetAfterFault(int device);
std::uint64_t resets(int device);

/// The GPU that is current on this thread.
int currentDevice();

/// An owner of one of CUDA's handles, which was made on the GPU that is current.
template <class Handle, auto destroy>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle), device_(currentDevice()), madeAfter_(resets(device_)) {}
  Owned(Owned&& other) noexcept { *this = std::move(other); }
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(device_, other.device_);
    std::swap(madeAfter_, other.madeAfter_);
    return *this;
  }
  ~Owned() {
    if (handle_ && madeAfter_ == resets(device_)) destroy(handle_);
  }

  /// Throws Error where a reset has destroyed it.
  Handle get() const {
    if (handle_ && madeAfter_ != resets(device_)) {
      throw Error("EXECUTION_FAILED", "The GPU was reset after a fault: its devices are to be opened anew");
    }
    return handle_;
  }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  Handle handle_ = nullptr;
  int device_ = 0;
  std::uint64_t madeAfter_ = 0;  // of the GPU's resets
};

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Graph = Owned<cudaGraph_t, cudaGraphDestroy>;
using GraphExecutable = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;

Stream makeStream(int device);

/// Memory of the processor that the GPU copies from and to without a detour.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  /// Throws std::bad_alloc.
  explicit PinnedMemory(std::size_t bytes);
  std::byte* data() const { return static_cast<std::byte*>(memory_.get()); }

 private:
  Owned<void*, cudaFreeHost> memory_;
};

/// Such memory for what plans share.
class PinnedHostMemory final : public HostMemory {
 public:
  std::shared_ptr<std::byte> allocateUninitialised(std::size_t bytes) override;
};

/// The memory of one GPU. What is allocated can be used in any stream at once; it may be freed when no work
/// that uses it is left.
///
/// Memory comes and goes on any thread. Where plans are captured on another one the stream must be none that
/// is captured: what any thread puts into such a stream becomes part of the plan.
class CudaMemory final : public DeviceMemory {
 public:
  CudaMemory(int device, std::shared_ptr<Stream> stream) : device_(device), stream_(std::move(stream)) {}

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;
  std::shared_ptr<std::byte> allocateUninitialised(std::size_t bytes) override;
  void write(std::span<const std::byte> from, std::byte* to) override;
  void read(const std::byte* from, std::span<std::byte> to) override;
  std::size_t freeBytes() const override;

 private:
  int device_;
  std::shared_ptr<Stream> stream_;
};

}  // namespace ocrnet::cuda

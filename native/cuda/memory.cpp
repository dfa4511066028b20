#include "cuda/memory.h"

#include <array>
#include <atomic>
#include <new>

#include "cuda/check.h"

namespace ocrnet::cuda {

namespace {

constexpr int kMostDevices = 64;  // that a process sees
std::array<std::atomic<std::uint64_t>, kMostDevices> resetCounts{};

/// Throws std::bad_alloc where there is no more.
void requireMemory(cudaError_t error) {
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // no reason for what comes to fail
    throw std::bad_alloc();
  }
  check(error);
}

}  // namespace

std::uint64_t resets(int device) { return resetCounts[device % kMostDevices]; }

int currentDevice() {
  int device = 0;
  check(cudaGetDevice(&device));
  return device;
}

void resetAfterFault(int device) {
  check(cudaSetDevice(device));
  cudaStream_t probe = nullptr;
  if (cudaStreamCreateWithFlags(&probe, cudaStreamNonBlocking) == cudaSuccess) {
    check(cudaStreamDestroy(probe));
    return;
  }
  ++resetCounts[device % kMostDevices];
  check(cudaDeviceReset());
  check(cudaSetDevice(device));
}

Stream makeStream(int device) {
  check(cudaSetDevice(device));
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

PinnedMemory::PinnedMemory(std::size_t bytes) {
  if (bytes == 0) return;
  void* memory = nullptr;
  requireMemory(cudaMallocHost(&memory, bytes));
  memory_ = Owned<void*, cudaFreeHost>(memory);
}

std::shared_ptr<std::byte> PinnedHostMemory::allocateUninitialised(std::size_t bytes) {
  const auto memory = std::make_shared<PinnedMemory>(bytes);
  return {memory, memory->data()};
}

std::shared_ptr<std::byte> CudaMemory::allocate(std::size_t bytes) {
  std::shared_ptr<std::byte> memory = allocateUninitialised(bytes);
  check(cudaMemsetAsync(memory.get(), 0, bytes, stream_->get()));
  check(cudaStreamSynchronize(stream_->get()));
  return memory;
}

std::shared_ptr<std::byte> CudaMemory::allocateUninitialised(std::size_t bytes) {
  check(cudaSetDevice(device_));  // on whichever thread this is
  void* memory = nullptr;
  requireMemory(cudaMallocAsync(&memory, bytes, stream_->get()));
  check(cudaStreamSynchronize(stream_->get()));
  return {static_cast<std::byte*>(memory),
          [device = device_, stream = stream_, madeAfter = resets(device_)](std::byte* data) {
            if (madeAfter != resets(device)) return;
            cudaSetDevice(device);
            cudaFreeAsync(data, stream->get());
          }};
}

void CudaMemory::write(std::span<const std::byte> from, std::byte* to) {
  check(cudaMemcpyAsync(to, from.data(), from.size(), cudaMemcpyHostToDevice, stream_->get()));
  check(cudaStreamSynchronize(stream_->get()));
}

void CudaMemory::read(const std::byte* from, std::span<std::byte> to) {
  check(cudaMemcpyAsync(to.data(), from, to.size(), cudaMemcpyDeviceToHost, stream_->get()));
  check(cudaStreamSynchronize(stream_->get()));
}

std::size_t CudaMemory::freeBytes() const {
  std::size_t free = 0, total = 0;
  check(cudaSetDevice(device_));
  check(cudaMemGetInfo(&free, &total));
  return free;
}

}  // namespace ocrnet::cuda

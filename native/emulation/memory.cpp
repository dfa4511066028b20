// The emulated device's memory. Each allocation is poisoned and ends, but for its alignment, in front of
// pages that nobody may touch.

#include "emulation/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

#include "core/integers.h"
#include "emulation/include/cuda_runtime.h"
#include "emulation/streams.h"

namespace ocrnet::emulation {

namespace {

constexpr std::size_t kPageBytes = 4096, kAllocationAlignment = 256;
constexpr std::size_t kGuardBytes = 1 << 20;  // a wrong index may be far off
constexpr int kPoison = 0xff;

struct Region {
  void* mapped;
  std::size_t mappedBytes, bytes;
};

std::mutex mutex;
std::map<const void*, Region> regions;
std::size_t bytesUsed = 0;

}  // namespace

cudaError_t allocate(void** memory, std::size_t bytes) {
  *memory = nullptr;
  if (const cudaError_t error = cudaGetLastError()) return error;
  const std::lock_guard lock(mutex);
  if (bytes > kMemoryBytes - bytesUsed) return cudaErrorMemoryAllocation;
  const std::size_t used = roundUp(bytes, kAllocationAlignment);
  const std::size_t mappedBytes = roundUp(used, kPageBytes) + kGuardBytes;
  void* const mapped =
      mmap(nullptr, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return cudaErrorMemoryAllocation;
  std::byte* const end = static_cast<std::byte*>(mapped) + mappedBytes - kGuardBytes;
  mprotect(end, kGuardBytes, PROT_NONE);
  *memory = end - used;
  std::memset(mapped, kPoison, mappedBytes - kGuardBytes);
  regions[*memory] = {mapped, mappedBytes, bytes};
  bytesUsed += bytes;
  return cudaSuccess;
}

cudaError_t release(void* memory) {
  const std::lock_guard lock(mutex);
  const auto found = regions.find(memory);
  if (found == regions.end()) return memory ? cudaErrorInvalidValue : cudaSuccess;
  munmap(found->second.mapped, found->second.mappedBytes);
  bytesUsed -= found->second.bytes;
  regions.erase(found);
  return cudaGetLastError();
}

bool isAllocated(const void* first, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  const auto behind = regions.upper_bound(first);
  if (behind == regions.begin()) return false;
  const auto& [start, region] = *std::prev(behind);
  const auto offset =
      static_cast<std::size_t>(static_cast<const std::byte*>(first) - static_cast<const std::byte*>(start));
  return offset <= region.bytes && bytes <= region.bytes - offset;
}

}  // namespace ocrnet::emulation

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(ocrnet::emulation::mutex);
  *total = ocrnet::emulation::kMemoryBytes;
  *free = *total - ocrnet::emulation::bytesUsed;
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t) {
  return ocrnet::emulation::allocate(memory, bytes);
}

/// As early as the stream's order allows: what other streams have to do with the memory comes too late.
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  ocrnet::emulation::complete(stream);
  return ocrnet::emulation::release(memory);
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return ocrnet::emulation::allocate(memory, bytes);
}

cudaError_t cudaFreeHost(void* memory) { return ocrnet::emulation::release(memory); }

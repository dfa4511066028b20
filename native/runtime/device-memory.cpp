#include "runtime/device-memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "core/aligned-buffer.h"
#include "core/error.h"

namespace ocrnet {

std::shared_ptr<std::byte> allocateForPlan(DeviceMemory& memory, const char* what, std::size_t bytes) {
  try {
    return memory.allocateUninitialised(bytes);
  } catch (const std::bad_alloc&) {
    throw Error("OUT_OF_MEMORY",
                "The plan needs " + std::to_string(bytes) + " bytes for " + what +
                    ", which the device does not give: " + std::to_string(memory.freeBytes()) + " are free");
  }
}

std::shared_ptr<std::byte> HostMemory::allocate(std::size_t bytes) {
  std::shared_ptr<std::byte> memory = allocateUninitialised(bytes);
  std::memset(memory.get(), 0, bytes);
  return memory;
}

std::shared_ptr<std::byte> HostMemory::allocateUninitialised(std::size_t bytes) {
  const auto buffer = std::make_shared<AlignedBuffer>(bytes);
  return {buffer, buffer->data()};
}

void HostMemory::write(std::span<const std::byte> from, std::byte* to) { std::ranges::copy(from, to); }

void HostMemory::read(const std::byte* from, std::span<std::byte> to) {
  std::copy_n(from, to.size(), to.begin());
}

std::size_t HostMemory::freeBytes() const {
  return static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) *
         static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace ocrnet

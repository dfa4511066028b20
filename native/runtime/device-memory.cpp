#include "runtime/device-memory.h"

#include <algorithm>
#include <cstring>

#include "core/aligned-buffer.h"

namespace ocrnet {

std::shared_ptr<std::byte> HostMemory::allocate(std::size_t bytes) {
  const auto buffer = std::make_shared<AlignedBuffer>(bytes);
  std::memset(buffer->data(), 0, buffer->size());
  return {buffer, buffer->data()};
}

void HostMemory::write(std::span<const std::byte> from, std::byte* to) { std::ranges::copy(from, to); }

void HostMemory::read(const std::byte* from, std::span<std::byte> to) {
  std::copy_n(from, to.size(), to.begin());
}

}  // namespace ocrnet

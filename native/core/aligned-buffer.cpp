#include "core/aligned-buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "core/integers.h"

namespace ocrnet {

namespace {

constexpr std::size_t kLeastMappedBytes = 128 << 10;

std::byte* map(std::size_t bytes) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(data);
}

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes >= kLeastMappedBytes) {
    data_ = {map(bytes), Free{bytes}};
    return;
  }
  const std::size_t rounded = std::max(roundUp(bytes, kAlignment), kAlignment);
  data_ = {static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)), Free{0}};
  if (!data_) throw std::bad_alloc();
}

void AlignedBuffer::Free::operator()(std::byte* data) const {
  if (mappedBytes > 0) {
    munmap(data, mappedBytes);
  } else {
    std::free(data);
  }
}

}  // namespace ocrnet

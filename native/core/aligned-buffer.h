#pragma once

#include <cstddef>
#include <memory>

namespace ocrnet {

inline constexpr std::size_t kAlignment = 64;

/// Owns memory aligned for vector instructions and cache lines. Not initialised. Throws std::bad_alloc.
///
/// Large buffers come from the system and return to it at once: a heap would keep what lies between others,
/// which after the packing of a network's filters is as much as the network.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes);

  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return bytes_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  struct Free {
    std::size_t mappedBytes;  // 0 if the memory is the heap's
    void operator()(std::byte* data) const;
  };

  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace ocrnet

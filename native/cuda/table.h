#pragma once

#include <span>
#include <vector>

#include "cuda/parameters.h"

namespace ocrnet::cuda {

/// What a step made on the processor, in the GPU's memory.
template <class T>
class Table {
 public:
  Table(const Parameters& parameters, const std::vector<T>& values)
      : buffer_(parameters.upload(std::as_bytes(std::span(values)))) {}

  const T* data() const { return reinterpret_cast<const T*>(buffer_.get()); }

 private:
  Parameters::Buffer buffer_;
};

}  // namespace ocrnet::cuda

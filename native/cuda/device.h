#pragma once

#include <cstddef>
#include <string>

namespace ocrnet::cuda {

/// What the operations need to know of the GPU.
struct Device {
  int index;
  std::string model;
  int computeCapability;  // 90 is 9.0
  int multiprocessors;
  std::size_t memoryBytes, sharedBytes;  // of the whole; of a block, at most
  bool tf32;                             // products of float32 numbers may round them to 10 bits first

  /// Whether tensor cores multiply types with float32's exponents, bfloat16 and tf32; float16 they all do.
  bool multipliesWideTypes() const { return computeCapability >= 80; }
};

}  // namespace ocrnet::cuda

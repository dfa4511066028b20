#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "plan/schema.gen.h"

namespace ocrnet {

/// Where a tensor lies: in the plan's arena, among the model's parameters, in the caller's memory, or in
/// memory of the device that outlives the run.
enum class Storage : std::uint32_t { arena, parameter, input, output, state };
inline constexpr std::uint32_t kStorages = 5;

/// In a step's inputs and outputs: an optional tensor that is not there.
inline constexpr std::uint32_t kAbsent = 0xffffffff;
/// In a step: the device is to choose (only while a plan is inspected).
inline constexpr std::uint32_t kUnchosen = 0xffffffff;

constexpr std::int64_t bytesPerElement(DataType type) {
  switch (type) {
    case DataType::float32:
    case DataType::int32:
      return 4;
    case DataType::bfloat16:
    case DataType::float16:
    case DataType::uint16:
      return 2;
    case DataType::uint8:
      return 1;
  }
  return 0;
}

struct TensorInfo {
  DataType dataType;
  std::uint32_t rank;                 // 1 to 4
  std::array<std::int64_t, 4> shape;  // the first `rank` are meant, the others are 1
  Storage storage;
  std::uint32_t index;       // of the parameter, input, output or state block
  std::uint64_t offset;      // bytes from the start of the arena or of the state block
  std::int64_t pixelStride;  // elements from one pixel (row of channels) to the next, at least channels()

  /// Size of the last dimension.
  std::int64_t channels() const { return shape[rank - 1]; }
  /// Rows of channels: the product of all dimensions but the last.
  std::int64_t pixels() const {
    std::int64_t product = 1;
    for (std::uint32_t i = 0; i + 1 < rank; ++i) product *= shape[i];
    return product;
  }
  std::int64_t elements() const { return pixels() * channels(); }
  bool dense() const { return pixelStride == channels(); }
  /// Bytes from the first element to the last, gaps between the rows included.
  std::int64_t spanBytes() const {
    return ((pixels() - 1) * pixelStride + channels()) * bytesPerElement(dataType);
  }
};

struct Step {
  Opcode opcode;
  std::string path;
  std::vector<std::uint32_t> inputs;   // tensors, in the order of the schema: required, then optional
  std::vector<std::uint32_t> outputs;  // tensors; absent where nobody reads the output
  Attributes attributes;
  std::uint32_t algorithm;                    // the device's own numbering
  std::uint64_t scratchOffset, scratchBytes;  // in the arena, for this step alone
};

struct Binding {
  std::string name;
  std::uint32_t tensor;
};

/// A block of float32 numbers that steps read and update.
struct StateBlock {
  std::string name;
  std::uint64_t elements;
};

/// A decoded plan: well-formed bytes, not yet trusted.
struct Plan {
  std::uint64_t arenaBytes;
  std::vector<TensorInfo> tensors;
  std::vector<Binding> parameters, inputs, outputs;
  std::vector<StateBlock> states;
  std::vector<Step> steps;
};

}  // namespace ocrnet

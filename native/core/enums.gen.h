// Written by `npm run generate` from lib/ops. Do not edit.
#pragma once

#include <cstdint>

namespace ocrnet {

enum class DataType : std::uint32_t { float32, bfloat16, float16, uint8, uint16, int32 };
enum class FloatType : std::uint32_t { float32, bfloat16, float16 };
enum class Activation : std::uint32_t { none, relu, relu6, leakyRelu };
enum class OutputType : std::uint32_t { same, float32 };
enum class LabelType : std::uint32_t { uint8, uint16 };
enum class Dropped : std::uint32_t { channels, elements };

inline constexpr std::uint32_t kDataTypes = 6;

}  // namespace ocrnet

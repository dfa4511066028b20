#pragma once

#include <napi.h>

#include <span>
#include <string>

#include "plan/infer.h"

namespace ocrnet::bindings {

/// These throw Error("INVALID_ARGUMENT") with what was expected and what was received; `what` names the
/// argument.
std::string stringArgument(const Napi::Value& value, const std::string& what);
bool boolArgument(const Napi::Value& value, const std::string& what);
/// A whole number from 0 to 2⁵³ − 1.
std::uint64_t countArgument(const Napi::Value& value, const std::string& what);
std::span<const std::byte> bytesArgument(const Napi::Value& value, const std::string& what);
Napi::Array arrayArgument(const Napi::Value& value, std::size_t length, const std::string& what);
std::vector<std::int64_t> shapeArgument(const Napi::Value& value, const std::string& what);
std::span<const float> floatsArgument(const Napi::Value& value, const std::string& what);
/// The memory of a typed array that holds a dense tensor of this type; bfloat16 and float16 are
/// Uint16Arrays.
std::byte* tensorArgument(const Napi::Value& value, const TensorType& type, const std::string& what);

}  // namespace ocrnet::bindings

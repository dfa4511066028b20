#include "bindings/arguments.h"

#include <cmath>

#include "core/error.h"

namespace ocrnet::bindings {

namespace {

const char* arrayName(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
      return "Int8Array";
    case napi_uint8_array:
      return "Uint8Array";
    case napi_uint8_clamped_array:
      return "Uint8ClampedArray";
    case napi_int16_array:
      return "Int16Array";
    case napi_uint16_array:
      return "Uint16Array";
    case napi_int32_array:
      return "Int32Array";
    case napi_uint32_array:
      return "Uint32Array";
    case napi_float32_array:
      return "Float32Array";
    case napi_float64_array:
      return "Float64Array";
    case napi_bigint64_array:
      return "BigInt64Array";
    case napi_biguint64_array:
      return "BigUint64Array";
    default:
      return "a typed array";  // newer than this Node-API
  }
}

napi_typedarray_type arrayTypeOf(DataType type) {
  switch (type) {
    case DataType::float32:
      return napi_float32_array;
    case DataType::int32:
      return napi_int32_array;
    case DataType::bfloat16:
    case DataType::float16:
    case DataType::uint16:
      return napi_uint16_array;
    case DataType::uint8:
      return napi_uint8_array;
  }
  return napi_uint8_array;
}

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
    case napi_number:
      return value.ToString();
    case napi_string:
      return "a string";
    case napi_function:
      return "a function";
    default:
      break;
  }
  if (value.IsArray()) return "an array of " + std::to_string(value.As<Napi::Array>().Length());
  if (!value.IsTypedArray()) return "an object";
  const auto array = value.As<Napi::TypedArray>();
  return std::string(arrayName(array.TypedArrayType())) + " of " + std::to_string(array.ElementLength());
}

[[noreturn]] void fail(const std::string& what, const std::string& expected, const Napi::Value& received) {
  throw Error("INVALID_ARGUMENT",
              "Invalid " + what + ": expected " + expected + ", received " + describe(received));
}

struct Elements {
  std::byte* data;
  std::size_t count;
};

/// Of a typed array of this type, views of shared memory included.
Elements elementsOf(const Napi::Value& value, napi_typedarray_type wanted, const std::string& expected,
                    const std::string& what) {
  if (!value.IsTypedArray()) fail(what, expected, value);
  napi_typedarray_type type;
  Elements elements{};
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(value.Env(), value, &type, &elements.count, &data, nullptr, nullptr);
  if (status != napi_ok || type != wanted) fail(what, expected, value);
  elements.data = static_cast<std::byte*>(data);
  return elements;
}

}  // namespace

std::string stringArgument(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) fail(what, "a string", value);
  return value.As<Napi::String>();
}

bool boolArgument(const Napi::Value& value, const std::string& what) {
  if (!value.IsBoolean()) fail(what, "true or false", value);
  return value.As<Napi::Boolean>();
}

std::uint64_t countArgument(const Napi::Value& value, const std::string& what) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  constexpr double kMost = 9007199254740991;
  if (number >= 0 && number <= kMost && number == std::floor(number))
    return static_cast<std::uint64_t>(number);
  throw Error("INVALID_ARGUMENT", "Invalid " + what + ": expected a whole number from 0, received " +
                                      std::string(value.ToString()));
}

std::span<const std::byte> bytesArgument(const Napi::Value& value, const std::string& what) {
  const auto [data, count] = elementsOf(value, napi_uint8_array, "a Uint8Array", what);
  return {data, count};
}

Napi::Array arrayArgument(const Napi::Value& value, std::size_t length, const std::string& what) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != length) {
    fail(what, "an array of " + std::to_string(length), value);
  }
  return value.As<Napi::Array>();
}

std::vector<std::int64_t> shapeArgument(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) fail(what, "an array of sizes", value);
  const auto array = value.As<Napi::Array>();
  std::vector<std::int64_t> shape;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value size = array.Get(i);
    if (!size.IsNumber()) fail(what, "an array of sizes", value);
    shape.push_back(size.As<Napi::Number>().Int64Value());
  }
  return shape;
}

std::span<const float> floatsArgument(const Napi::Value& value, const std::string& what) {
  const auto [data, count] = elementsOf(value, napi_float32_array, "a Float32Array", what);
  return {reinterpret_cast<const float*>(data), count};
}

std::byte* tensorArgument(const Napi::Value& value, const TensorType& type, const std::string& what) {
  std::size_t elements = 1;
  for (const std::int64_t size : type.shape) elements *= static_cast<std::size_t>(size);
  const napi_typedarray_type wanted = arrayTypeOf(type.dataType);
  const std::string expected =
      std::string(arrayName(wanted)) + " of " + std::to_string(elements) + " for " + formatType(type);
  const auto [data, count] = elementsOf(value, wanted, expected, what);
  if (count != elements) fail(what, expected, value);
  return data;
}

}  // namespace ocrnet::bindings

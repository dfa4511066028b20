#pragma once

// Values in float64, and tensors of them between guards.

#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "core/aligned-buffer.h"
#include "core/bfloat16.h"
#include "core/float16.h"
#include "plan/plan.h"

namespace ocrnet::test {

using Values = std::vector<double>;
using Shape = std::vector<std::int64_t>;

inline std::int64_t elementsOf(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

/// A value as an element type holds it.
inline double rounded(DataType type, double x) {
  if (type == DataType::float32) return static_cast<float>(x);
  if (type == DataType::bfloat16) return toFloat(toBFloat16(static_cast<float>(x)));
  if (type == DataType::float16) return toFloat(toFloat16(static_cast<float>(x)));
  return x;
}

inline std::mt19937& generator() {
  static std::mt19937 engine(7);
  return engine;
}

/// Normally distributed, as `type` holds them.
inline Values randomValues(DataType type, const Shape& shape, double deviation = 1) {
  std::normal_distribution<double> normal(0, deviation);
  Values values(elementsOf(shape));
  for (double& value : values) value = rounded(type, normal(generator()));
  return values;
}

inline double readElement(DataType type, const std::byte* p) {
  const auto as = [p](auto value) {
    std::memcpy(&value, p, sizeof value);
    return value;
  };
  switch (type) {
    case DataType::float32:
      return as(float{});
    case DataType::bfloat16:
      return toFloat(as(BFloat16{}));
    case DataType::float16:
      return toFloat(as(Float16{}));
    case DataType::uint8:
      return as(std::uint8_t{});
    case DataType::uint16:
      return as(std::uint16_t{});
    case DataType::int32:
      return as(std::int32_t{});
  }
  return 0;
}

inline void writeElement(DataType type, std::byte* p, double x) {
  const auto as = [p](auto value) { std::memcpy(p, &value, sizeof value); };
  switch (type) {
    case DataType::float32:
      return as(static_cast<float>(x));
    case DataType::bfloat16:
      return as(toBFloat16(static_cast<float>(x)));
    case DataType::float16:
      return as(toFloat16(static_cast<float>(x)));
    case DataType::uint8:
      return as(static_cast<std::uint8_t>(x));
    case DataType::uint16:
      return as(static_cast<std::uint16_t>(x));
    case DataType::int32:
      return as(static_cast<std::int32_t>(x));
  }
}

/// A tensor's memory between guards, all of it poison at first.
class GuardedTensor {
 public:
  explicit GuardedTensor(const TensorInfo& info)
      : info_(info),
        buffer_(info.pixels() * info.pixelStride * bytesPerElement(info.dataType) + 2 * kGuardBytes) {
    std::memset(buffer_.data(), kPoison, buffer_.size());
  }

  std::byte* data() const { return buffer_.data() + kGuardBytes; }
  /// With its guards: data() lies kGuardBytes behind the start.
  std::span<std::byte> whole() const { return {buffer_.data(), buffer_.size()}; }
  static constexpr std::size_t kGuardBytes = 256;

  void write(const Values& values) {
    for (std::int64_t i = 0; i < info_.elements(); ++i) writeElement(info_.dataType, at(i), values[i]);
  }
  Values read() const {
    Values values;
    values.reserve(info_.elements());
    for (std::int64_t i = 0; i < info_.elements(); ++i) values.push_back(readElement(info_.dataType, at(i)));
    return values;
  }
  /// Every byte outside the elements is still poison.
  bool intact() const {
    const AlignedBuffer expected(buffer_.size());
    std::memset(expected.data(), kPoison, expected.size());
    const std::size_t rowBytes = info_.channels() * bytesPerElement(info_.dataType);
    for (std::int64_t i = 0; i < info_.elements(); i += info_.channels()) {
      std::memcpy(expected.data() + (at(i) - buffer_.data()), at(i), rowBytes);
    }
    return std::memcmp(expected.data(), buffer_.data(), buffer_.size()) == 0;
  }

 private:
  static constexpr int kPoison = 0xff;  // floats of it are NaN

  std::byte* at(std::int64_t i) const {
    const std::int64_t channels = info_.channels();
    return data() + (i / channels * info_.pixelStride + i % channels) * bytesPerElement(info_.dataType);
  }

  TensorInfo info_;
  AlignedBuffer buffer_;
};

}  // namespace ocrnet::test

#pragma once

// Runs one operation of the CPU on a plan of one step that is made by hand, and compares with float64
// references. Every buffer lies between guards and every gap between pixels is poisoned (NaN where it is read
// as a float): a wrong read changes the result, a wrong write is found.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "activated.h"
#include "core/aligned-buffer.h"
#include "core/bfloat16.h"
#include "core/error.h"
#include "cpu/op.h"

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
  static constexpr std::size_t kGuardBytes = 256;

  std::byte* at(std::int64_t i) const {
    const std::int64_t channels = info_.channels();
    return data() + (i / channels * info_.pixelStride + i % channels) * bytesPerElement(info_.dataType);
  }

  TensorInfo info_;
  AlignedBuffer buffer_;
};

/// One operation, its operands in the order of the schema, and the device to run it on.
class OpRunner {
 public:
  OpRunner(const cpu::Op& op, Opcode opcode, Attributes attributes) : op_(op) {
    plan_.steps.push_back({opcode, "step", {}, {}, std::move(attributes), 0, 0, 0});
  }

  /// `gap` elements lie between the channels of one pixel and those of the next.
  OpRunner& input(DataType type, const Shape& shape, const Values& values, std::int64_t gap = 0) {
    step().inputs.push_back(addTensor(type, shape, gap, Storage::input));
    memory_.emplace_back(plan_.tensors.back()).write(values);
    return *this;
  }
  OpRunner& absentInput() {
    step().inputs.push_back(kAbsent);
    return *this;
  }
  OpRunner& output(DataType type, const Shape& shape, std::int64_t gap = 0) {
    step().outputs.push_back(addTensor(type, shape, gap, Storage::output));
    memory_.emplace_back(plan_.tensors.back());
    return *this;
  }
  OpRunner& absentOutput() {
    step().outputs.push_back(kAbsent);
    return *this;
  }
  /// The output takes over the memory of an input.
  OpRunner& outputInPlaceOf(std::size_t input) {
    step().outputs.push_back(step().inputs[input]);
    return *this;
  }
  /// Any change to the tables that the methods above do not make.
  Plan& plan() { return plan_; }
  GuardedTensor& memoryOf(std::uint32_t tensor) { return memory_[tensor]; }

  /// The outputs that are there. Throws where anything beside them was written.
  std::vector<Values> run(cpu::Isa isa, int threads) {
    const cpu::Device device{threads, isa, false};
    const cpu::StepDescription description(plan_, step());
    const cpu::Choice choice = op_.choose(description, device);
    step().algorithm = choice.algorithm;
    step().scratchBytes = choice.scratchBytes;
    Weights weights;
    const auto prepared = op_.prepare(description, device, weights);

    const auto scratchBytes = static_cast<std::int64_t>(choice.scratchBytes);
    const GuardedTensor scratch(
        {DataType::uint8, 1, {scratchBytes, 1, 1, 1}, Storage::arena, 0, 0, scratchBytes});
    const std::vector<std::byte*> inputs = pointers(step().inputs), outputs = pointers(step().outputs);
    prepared->run({inputs, outputs, scratch.data()});

    if (!scratch.intact()) throw std::runtime_error("wrote beyond the scratch");
    for (const GuardedTensor& tensor : memory_) {
      if (!tensor.intact()) throw std::runtime_error("wrote beside the elements of a tensor");
    }
    std::vector<Values> results;
    for (const std::uint32_t tensor : step().outputs) {
      if (tensor != kAbsent) results.push_back(memory_[tensor].read());
    }
    return results;
  }

 private:
  Step& step() { return plan_.steps.front(); }

  std::uint32_t addTensor(DataType type, const Shape& shape, std::int64_t gap, Storage storage) {
    TensorInfo info{
        type, static_cast<std::uint32_t>(shape.size()), {1, 1, 1, 1}, storage, 0, 0, shape.back() + gap};
    for (std::size_t i = 0; i < shape.size(); ++i) info.shape[i] = shape[i];
    plan_.tensors.push_back(info);
    return static_cast<std::uint32_t>(plan_.tensors.size() - 1);
  }

  std::vector<std::byte*> pointers(const std::vector<std::uint32_t>& tensors) {
    std::vector<std::byte*> result;
    for (const std::uint32_t tensor : tensors)
      result.push_back(tensor == kAbsent ? nullptr : memory_[tensor].data());
    return result;
  }

  const cpu::Op& op_;
  Plan plan_{};
  std::vector<GuardedTensor> memory_;
};

/// A way to run an operation; every test runs in each of them.
struct Configuration {
  cpu::Isa isa;
  int threads;
  DataType type;
  std::int64_t gap;

  double tolerance() const { return type == DataType::float32 ? 1e-5 : 1e-2; }
  std::string describe() const {
    return std::string(cpu::isaName(isa)) + ", " + std::to_string(threads) + " threads, " +
           (type == DataType::float32 ? "float32" : "bfloat16") + ", gap " + std::to_string(gap);
  }
};

/// Sanitizers look at memory and not at results: under them not every combination runs, but each instruction
/// set in both types, one with gaps.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline std::vector<Configuration> configurations() {
  std::vector<Configuration> all;
  for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (isa > cpu::bestIsa()) continue;
    for (const int threads : {1, 2}) {
      for (const DataType type : {DataType::float32, DataType::bfloat16}) {
        for (const std::int64_t gap : {0, 5}) {
          const bool varied = threads == 2 && (gap == 0) == (type == DataType::bfloat16);
          if (varied || !kSanitized) all.push_back({isa, threads, type, gap});
        }
      }
    }
  }
  return all;
}

/// Throws unless each value is within `tolerance` of the expected one, relatively; of values below the mean
/// magnitude (a sum may cancel) relatively to that. NaN is expected where NaN is expected.
inline void requireClose(const Values& values, const Values& expected, double tolerance) {
  if (values.size() != expected.size()) throw std::runtime_error("has another number of elements");
  double magnitude = 0;
  for (const double x : expected) magnitude += std::isfinite(x) ? std::abs(x) / expected.size() : 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool same = values[i] == expected[i] || (std::isnan(values[i]) && std::isnan(expected[i]));
    if (same || std::abs(values[i] - expected[i]) <= tolerance * std::max(std::abs(expected[i]), magnitude))
      continue;
    throw std::runtime_error("element " + std::to_string(i) + ": expected " + std::to_string(expected[i]) +
                             ", received " + std::to_string(values[i]));
  }
}

inline void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

using Test = std::pair<const char*, std::function<void(const Configuration&)>>;

/// Runs each test in each configuration; the exit code of the program.
inline int runTests(const std::vector<Test>& tests) {
  int failures = 0;
  for (const auto& [name, test] : tests) {
    for (const Configuration& configuration : configurations()) {
      try {
        test(configuration);
      } catch (const std::exception& error) {
        std::printf("%s (%s): %s\n", name, configuration.describe().c_str(), error.what());
        ++failures;
      }
    }
  }
  std::printf("%zu tests in %zu configurations: %d failures\n", tests.size(), configurations().size(),
              failures);
  return failures == 0 ? 0 : 1;
}

inline constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::relu6,
                                              Activation::leakyRelu};
inline constexpr float kSlope = 0.01f;
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace ocrnet::test

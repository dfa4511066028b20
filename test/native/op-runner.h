#pragma once

// Runs one operation on a plan of one step that is made by hand, on the CPU and on the GPU (an emulated one
// where the machine has none), and compares with float64 references. Every buffer lies between guards and
// every gap between pixels is poisoned (NaN where it is read as a float): a wrong read changes the result, a
// wrong write is found.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "activated.h"
#include "core/error.h"
#include "cpu/op.h"
#ifdef OCRNET_TEST_CUDA
#include "cuda-copies.h"
#endif
#include "guarded-tensor.h"

namespace ocrnet::test {

enum class Processor { cpu, cuda };

/// What varies when the emulation runs a kernel: a kernel that is right does not notice.
enum class Schedule { ordinary, reversed, random };
inline constexpr const char* kScheduleNames[] = {"ordinary", "reversed", "random"};
inline constexpr const char* kTypeNames[] = {"float32", "bfloat16", "float16"};

/// A way to run an operation; every test runs in each of them.
struct Configuration {
  Processor processor;
  cpu::Isa isa;  // of the CPU, as `threads`
  int threads;
  Schedule schedule;  // of the GPU
  DataType type;
  std::int64_t gap;

  /// Of 16-bit types two or three roundings, each of 2⁻⁸ in bfloat16 and 2⁻¹¹ in float16.
  double tolerance() const {
    if (type == DataType::float32) return 1e-5;
    return type == DataType::bfloat16 ? 1e-2 : 1.25e-3;
  }
  /// As attributes have it.
  FloatType floatType() const {
    if (type == DataType::float32) return FloatType::float32;
    return type == DataType::bfloat16 ? FloatType::bfloat16 : FloatType::float16;
  }
  /// Some operations of training compute in float32 alone on the CPU.
  bool trains() const { return processor == Processor::cuda || type == DataType::float32; }
  Configuration withThreads(int count) const {
    Configuration other = *this;
    other.threads = count;
    return other;
  }
  std::string describe() const {
    const std::string how =
        processor == Processor::cuda
            ? std::string("CUDA, ") + kScheduleNames[static_cast<int>(schedule)]
            : std::string(cpu::isaName(isa)) + ", " + std::to_string(threads) + " threads";
    return how + ", " + kTypeNames[static_cast<int>(floatType())] + ", gap " + std::to_string(gap);
  }
};

inline void useSchedule([[maybe_unused]] Schedule schedule) {
#ifdef OCRNET_EMULATION
  using emulation::Asynchrony, emulation::Order;
  constexpr emulation::Policy kPolicies[] = {{Asynchrony::latest, Order::ascending, 1},
                                             {Asynchrony::earliest, Order::descending, 1},
                                             {Asynchrony::random, Order::random, 1}};
  emulation::setPolicy(kPolicies[static_cast<int>(schedule)]);
#endif
}

/// One operation and its operands in the order of the schema.
class OpRunner {
 public:
  OpRunner(Opcode opcode, Attributes attributes)
      : OpRunner(*cpu::opFor(opcode), opcode, std::move(attributes)) {}
  /// `op` in place of the CPU's own.
  OpRunner(const cpu::Op& op, Opcode opcode, Attributes attributes) : op_(op) {
    plan_.steps.push_back({opcode, "step", {}, {}, std::move(attributes), 0, 0, 0});
  }

#ifdef OCRNET_TEST_CUDA
  /// `op` in place of the GPU's own.
  OpRunner& onCuda(const cuda::Op& op) {
    cudaOp_ = &op;
    return *this;
  }
#endif

  /// `gap` elements lie between the channels of one pixel and those of the next.
  OpRunner& input(DataType type, const Shape& shape, const Values& values, std::int64_t gap = 0) {
    step().inputs.push_back(addTensor(type, shape, gap, Storage::input));
    memory_.emplace_back(plan_.tensors.back()).write(values);
    return *this;
  }
  /// A parameter of the model.
  OpRunner& parameter(const std::string& name, const Shape& shape, const Values& values) {
    input(DataType::float32, shape, values);
    TensorInfo& info = plan_.tensors.back();
    info.storage = Storage::parameter;
    info.index = static_cast<std::uint32_t>(plan_.parameters.size());
    plan_.parameters.push_back({name, step().inputs.back()});
    weights_->set(name, shape, std::vector<float>(values.begin(), values.end()));
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
  std::vector<Values> run(const Configuration& configuration) {
    const GuardedTensor scratch =
        configuration.processor == Processor::cuda ? runOnCuda(configuration) : runOnCpu(configuration);
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

  /// Lets a device choose; the scratch that it wants.
  GuardedTensor choose(const Choice& choice) {
    step().algorithm = choice.algorithm;
    step().scratchBytes = choice.scratchBytes;
    const auto bytes = static_cast<std::int64_t>(choice.scratchBytes);
    return GuardedTensor({DataType::uint8, 1, {bytes, 1, 1, 1}, Storage::arena, 0, 0, bytes});
  }

  GuardedTensor runOnCpu(const Configuration& configuration) {
    const cpu::Device device{configuration.threads, configuration.isa, false};
    const StepDescription description(plan_, step());
    GuardedTensor scratch = choose(op_.choose(description, device));
    const auto prepared = op_.prepare(description, device, *weights_);
    const std::vector<std::byte*> inputs = pointers(step().inputs), outputs = pointers(step().outputs);
    prepared->run({inputs, outputs, scratch.data()});
    return scratch;
  }

#ifdef OCRNET_TEST_CUDA
  GuardedTensor runOnCuda(const Configuration& configuration) {
    const cuda::Op* const op = cudaOp_ ? cudaOp_ : cuda::opFor(step().opcode);
    const cuda::Device& device = cudaDevice();
    useSchedule(configuration.schedule);
    const StepDescription description(plan_, step());
    GuardedTensor scratch = choose(op->choose(description, device));
    CudaCopies copies(weights_);
    const auto prepared = op->prepare(description, device, copies.parameters());
    std::vector<std::byte*> onDevice;
    for (const GuardedTensor& tensor : memory_) onDevice.push_back(copies.upload(tensor));
    std::byte* const scratchOnDevice = copies.upload(scratch);
    const auto pointers = [&](const std::vector<std::uint32_t>& tensors) {
      std::vector<std::byte*> result;
      for (const std::uint32_t i : tensors) result.push_back(i == kAbsent ? nullptr : onDevice[i]);
      return result;
    };
    std::vector<std::byte*> inputs = pointers(step().inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!prepared->reads(i)) inputs[i] = nullptr;
    }
    const std::vector<std::byte*> outputs = pointers(step().outputs);
    copies.run([&](cudaStream_t stream) { prepared->enqueue({inputs, outputs, scratchOnDevice}, stream); });
    prepared->verify(0);
    return scratch;
  }
#else
  GuardedTensor runOnCuda(const Configuration&) { throw std::logic_error("a build without CUDA"); }
#endif

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
#ifdef OCRNET_TEST_CUDA
  const cuda::Op* cudaOp_ = nullptr;
#endif
  std::shared_ptr<Weights> weights_ = std::make_shared<Weights>();
  Plan plan_{};
  std::vector<GuardedTensor> memory_;
};

/// Sanitizers look at memory and not at results: under them not every combination runs, but each instruction
/// set in both types, one with gaps. $OCRNET_TEST_FEW says so to those that the compiler knows nothing of.
inline bool isSanitized() {
#ifdef __SANITIZE_ADDRESS__
  return true;
#else
  return std::getenv("OCRNET_TEST_FEW") != nullptr;
#endif
}

/// Of all processors, or of the one that $OCRNET_TEST_PROCESSOR names: cpu or cuda.
inline bool isWanted(Processor processor) {
#ifndef OCRNET_TEST_CUDA
  if (processor == Processor::cuda) return false;
#endif
  const char* const wanted = std::getenv("OCRNET_TEST_PROCESSOR");
  return !wanted || std::string_view(wanted) == (processor == Processor::cuda ? "cuda" : "cpu");
}

inline std::vector<Configuration> configurations() {
  std::vector<Configuration> all;
  const bool sanitized = isSanitized();
  for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (isa > cpu::bestIsa()) continue;
    for (const int threads : {1, 2}) {
      for (const DataType type : {DataType::float32, DataType::bfloat16}) {
        for (const std::int64_t gap : {0, 5}) {
          // What threads and gaps change has nothing to do with one another: each is there with each type.
          const bool counts = (threads == 1) == ((gap == 0) == (type == DataType::float32));
          if (counts && (threads == 2 || !sanitized))
            all.push_back({Processor::cpu, isa, threads, Schedule::ordinary, type, gap});
        }
      }
    }
  }
  for (const Schedule schedule : {Schedule::ordinary, Schedule::reversed, Schedule::random}) {
    for (const DataType type : {DataType::float32, DataType::bfloat16}) {
      const bool varied = schedule == Schedule::random;
      const std::int64_t gap = schedule == Schedule::ordinary ? 0 : 5;
      if (varied || !sanitized) all.push_back({Processor::cuda, cpu::bestIsa(), 1, schedule, type, gap});
    }
  }
  // The kernels are those of bfloat16 but for conversions and products.
  all.push_back({Processor::cuda, cpu::bestIsa(), 1, Schedule::random, DataType::float16, 0});
  std::erase_if(all, [](const Configuration& c) { return !isWanted(c.processor); });
  return all;
}

/// For tests of what the CPU's device alone has.
inline std::vector<Configuration> cpuConfigurations() {
  std::vector<Configuration> all = configurations();
  std::erase_if(all, [](const Configuration& c) { return c.processor != Processor::cpu; });
  return all;
}

/// For tests of what the GPU's device alone has.
inline std::vector<Configuration> cudaConfigurations() {
  std::vector<Configuration> all = configurations();
  std::erase_if(all, [](const Configuration& c) { return c.processor != Processor::cuda; });
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
inline int runTests(const std::vector<Test>& tests,
                    const std::vector<Configuration>& configurations = test::configurations()) {
  int failures = 0;
  for (const auto& [name, test] : tests) {
    for (const Configuration& configuration : configurations) {
      try {
        test(configuration);
      } catch (const std::exception& error) {
        std::printf("%s (%s): %s\n", name, configuration.describe().c_str(), error.what());
        ++failures;
      }
    }
  }
  std::printf("%zu tests in %zu configurations: %d failures\n", tests.size(), configurations.size(),
              failures);
  return failures == 0 ? 0 : 1;
}

inline constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::relu6,
                                              Activation::leakyRelu};
inline constexpr float kSlope = 0.01f;
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace ocrnet::test

// conv2d on the CPU, by each of its algorithms, against a naive convolution in float64. Outputs, scratch
// memory and all that lies between and around the tensors' channels are poisoned, so that each wrong read or
// write shows.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dnnl.hpp>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "activated.h"
#include "core/error.h"
#include "cpu/conv/algorithm.h"
#include "cpu/op.h"

namespace {

using namespace ocrnet;
using cpu::conv::Input;

constexpr std::size_t kGuard = 1024;  // bytes before and after each buffer
constexpr std::byte kPoison{0xff};    // NaN in float32 and in bfloat16
constexpr float kSlope = 0.1f;

struct Case {
  std::int64_t batch, height, width, channelsIn, channelsOut;
  std::int64_t kernel, stride, dilation, padding, groups;
  DataType inputType = DataType::float32, outputType = DataType::float32;
  Activation activation = Activation::none;
  bool bias = false, residual = false, residualInPlace = false, filterIsParameter = true;
  std::int64_t inputGap = 0, outputGap = 0, residualGap = 0;  // elements between the pixels' channels
  int threads = 1;

  std::int64_t window(std::int64_t extent) const {
    return (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
  std::int64_t outputHeight() const { return window(height); }
  std::int64_t outputWidth() const { return window(width); }
};

std::mt19937 generator(1);

std::uint16_t toBfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// A tensor in poisoned memory, 64-byte aligned.
class Tensor {
 public:
  Tensor(TensorInfo info, bool fill) : info_(info), memory_(info.spanBytes() + 2 * kGuard) {
    std::memset(memory_.data(), static_cast<int>(kPoison), memory_.size());
    std::normal_distribution<float> normal;
    for (std::int64_t p = 0; fill && p < info.pixels(); ++p) {
      for (std::int64_t c = 0; c < info.channels(); ++c) set(p, c, normal(generator));
    }
  }

  std::byte* data() const { return memory_.data() + kGuard; }
  const TensorInfo& info() const { return info_; }
  float get(std::int64_t pixel, std::int64_t channel) const {
    const std::byte* at = address(pixel, channel);
    if (info_.dataType == DataType::float32) return *reinterpret_cast<const float*>(at);
    return std::bit_cast<float>(static_cast<std::uint32_t>(*reinterpret_cast<const std::uint16_t*>(at))
                                << 16);
  }
  void set(std::int64_t pixel, std::int64_t channel, float value) {
    std::byte* at = address(pixel, channel);
    if (info_.dataType == DataType::float32)
      *reinterpret_cast<float*>(at) = value;
    else
      *reinterpret_cast<std::uint16_t*>(at) = toBfloat16(value);
  }
  void copyFrom(const Tensor& other) {
    for (std::int64_t p = 0; p < info_.pixels(); ++p) {
      for (std::int64_t c = 0; c < info_.channels(); ++c) set(p, c, other.get(p, c));
    }
  }
  /// Whether all that is not the tensor is as it was.
  bool surroundingsUntouched() const {
    const auto poisoned = [](const std::byte* first, const std::byte* last) {
      return std::all_of(first, last, [](std::byte b) { return b == kPoison; });
    };
    const std::byte* end = data() + info_.spanBytes();
    if (!poisoned(memory_.data(), data()) || !poisoned(end, memory_.data() + memory_.size())) return false;
    for (std::int64_t p = 0; p + 1 < info_.pixels(); ++p) {
      if (!poisoned(address(p, info_.channels()), address(p + 1, 0))) return false;
    }
    return true;
  }

 private:
  std::byte* address(std::int64_t pixel, std::int64_t channel) const {
    return data() + (pixel * info_.pixelStride + channel) * bytesPerElement(info_.dataType);
  }

  TensorInfo info_;
  AlignedBuffer memory_;
};

TensorInfo tensorInfo(DataType type, std::array<std::int64_t, 4> shape, std::int64_t gap, Storage storage) {
  return {type, 4, shape, storage, 0, 0, shape[3] + gap};
}

std::vector<double> reference(const Case& c, const Tensor& x, const Tensor& filter, const Tensor& bias,
                              const Tensor& residual) {
  const std::int64_t inputs = c.channelsIn / c.groups, outputs = c.channelsOut / c.groups;
  std::vector<double> values;
  for (std::int64_t n = 0; n < c.batch; ++n) {
    for (std::int64_t i = 0; i < c.outputHeight(); ++i) {
      for (std::int64_t j = 0; j < c.outputWidth(); ++j) {
        for (std::int64_t o = 0; o < c.channelsOut; ++o) {
          double sum = c.bias ? bias.get(0, o) : 0.0;
          for (std::int64_t tap = 0; tap < c.kernel * c.kernel; ++tap) {
            const std::int64_t row = i * c.stride - c.padding + tap / c.kernel * c.dilation;
            const std::int64_t column = j * c.stride - c.padding + tap % c.kernel * c.dilation;
            if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
            for (std::int64_t k = 0; k < inputs; ++k) {
              sum += static_cast<double>(filter.get(o * c.kernel * c.kernel + tap, k)) *
                     x.get((n * c.height + row) * c.width + column, o / outputs * inputs + k);
            }
          }
          const std::int64_t pixel = (n * c.outputHeight() + i) * c.outputWidth() + j;
          values.push_back(ocrnet::test::activated(sum + (c.residual ? residual.get(pixel, o) : 0.0),
                                                   c.activation, kSlope));
        }
      }
    }
  }
  return values;
}

/// Empty if y is right, else what is wrong.
std::string compare(const Tensor& y, const std::vector<double>& expected, double tolerance) {
  double error = 0, norm = 0, worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::int64_t channels = y.info().channels();
    const double difference = std::abs(y.get(i / channels, i % channels) - expected[i]);
    error += difference * difference;
    norm += expected[i] * expected[i];
    if (!(difference <= worst)) worst = difference;
  }
  const double relative = std::sqrt(error / norm),
               rms = std::sqrt(norm / static_cast<double>(expected.size()));
  if (!(relative <= tolerance)) return "relative error " + std::to_string(relative);
  // One wrong pixel among thousands does not show in the norm.
  if (!(worst <= 10 * tolerance * rms)) return "an element is wrong by " + std::to_string(worst);
  return "";
}

constexpr const cpu::conv::Algorithm* kAlgorithms[] = {
    &cpu::conv::onednnAlgorithm, &cpu::conv::matmulAlgorithm, &cpu::conv::winogradAlgorithm};

bool shouldSupport(const Case& c, std::uint32_t algorithm) {
  const bool plain = c.stride == 1 && c.groups == 1;
  if (algorithm == 1) return plain && c.kernel == 1 && c.padding == 0;
  if (algorithm == 2) return plain && c.kernel == 3 && c.inputType == DataType::float32;
  return true;
}

std::map<std::string, int> chosenNames, ranNames;

class Check {
 public:
  explicit Check(const Case& c)
      : case_(c),
        x_(tensorInfo(c.inputType, {c.batch, c.height, c.width, c.channelsIn}, c.inputGap, Storage::arena),
           true),
        filter_(tensorInfo(DataType::float32, {c.channelsOut, c.kernel, c.kernel, c.channelsIn / c.groups}, 0,
                           c.filterIsParameter ? Storage::parameter : Storage::input),
                true),
        bias_(tensorInfo(DataType::float32, {1, 1, 1, c.channelsOut}, 0, Storage::parameter), true),
        residual_(tensorInfo(c.outputType, outputShape(), c.residualInPlace ? c.outputGap : c.residualGap,
                             Storage::arena),
                  true),
        y_(tensorInfo(c.outputType, outputShape(), c.outputGap, Storage::arena), false),
        expected_(reference(c, x_, filter_, bias_, residual_)) {
    plan_.tensors = {x_.info(), filter_.info(), bias_.info(), residual_.info(), y_.info()};
    plan_.parameters = {{"filter", 1}};
    step_ = {.opcode = Opcode::conv2d,
             .path = "test",
             .inputs = {0, 1, c.bias ? 2 : kAbsent, c.residual ? 3 : kAbsent},
             .outputs = {4},
             .attributes =
                 Conv2dAttributes{static_cast<std::int32_t>(c.stride), static_cast<std::int32_t>(c.padding),
                                  static_cast<std::int32_t>(c.dilation), static_cast<std::int32_t>(c.groups),
                                  c.activation, kSlope,
                                  c.inputType == c.outputType ? OutputType::same : OutputType::float32},
             .algorithm = kUnchosen,
             .scratchOffset = 0,
             .scratchBytes = 0};
    weights_.set("filter", {filter_.info().shape.begin(), filter_.info().shape.end()},
                 {reinterpret_cast<const float*>(filter_.data()),
                  static_cast<std::size_t>(filter_.info().elements())});
  }

  /// Empty if all is right, else what is wrong.
  std::string run() {
    const StepDescription description(plan_, step_);
    const Choice choice = cpu::conv2dOp.choose(description, device_);
    ++chosenNames[choice.name];
    if (choice.algorithm >= std::size(kAlgorithms)) return "no algorithm chosen";
    for (std::uint32_t algorithm = 0; algorithm < std::size(kAlgorithms); ++algorithm) {
      step_.algorithm = algorithm;
      step_.scratchBytes = std::size_t{1} << 40;
      if (!shouldSupport(case_, algorithm)) {
        if (!refused()) return "algorithm " + std::to_string(algorithm) + " should not support this";
        continue;
      }
      const cpu::conv::Estimate estimate =
          kAlgorithms[algorithm]->estimate(cpu::conv::describeProblem(description), device_);
      ++ranNames[estimate.name];
      if (algorithm == choice.algorithm && estimate.scratchBytes != choice.scratchBytes)
        return "scratch differs";
      step_.scratchBytes = estimate.scratchBytes;
      const std::string wrong = runChosen();
      if (!wrong.empty()) return estimate.name + ": " + wrong;
      if (estimate.scratchBytes == 0) continue;
      --step_.scratchBytes;
      if (!refused()) return estimate.name + ": took a plan with too little scratch memory";
    }
    return "";
  }

 private:
  std::array<std::int64_t, 4> outputShape() const {
    return {case_.batch, case_.outputHeight(), case_.outputWidth(), case_.channelsOut};
  }

  bool refused() {
    try {
      cpu::conv2dOp.prepare(StepDescription(plan_, step_), device_, weights_);
    } catch (const Error& error) {
      return std::string(error.code()) == "INVALID_PLAN";
    }
    return false;
  }

  /// Packed forms may stand for the filter, but it comes back bit by bit.
  bool weightsHoldFilter() {
    const Weights::Buffer values = weights_.values("filter", filter_.info().shape);
    return std::memcmp(values->data(), filter_.data(), values->size()) == 0;
  }

  std::string runChosen() {
    const auto prepared = cpu::conv2dOp.prepare(StepDescription(plan_, step_), device_, weights_);
    Tensor scratch({DataType::uint8,
                    1,
                    {static_cast<std::int64_t>(step_.scratchBytes), 1, 1, 1},
                    Storage::arena,
                    0,
                    0,
                    static_cast<std::int64_t>(step_.scratchBytes)},
                   false);
    // The second run finds what the first left: another filter if it is no parameter, used scratch and
    // output.
    Tensor other(filter_.info(), true);
    for (const Tensor* filter : {case_.filterIsParameter ? &filter_ : &other, &filter_}) {
      if (case_.residualInPlace) y_.copyFrom(residual_);
      std::byte* const inputs[] = {
          x_.data(), filter->data(), case_.bias ? bias_.data() : nullptr,
          case_.residual ? (case_.residualInPlace ? y_ : residual_).data() : nullptr};
      std::byte* const outputs[] = {y_.data()};
      prepared->run({inputs, outputs, scratch.data()});
    }
    for (const Tensor* tensor : {&x_, &filter_, &bias_, &residual_, &y_, &scratch}) {
      if (!tensor->surroundingsUntouched()) return "wrote outside of a tensor";
    }
    if (case_.filterIsParameter && !weightsHoldFilter()) return "lost the filter";
    return compare(y_, expected_, case_.inputType == DataType::float32 ? 1e-5 : 1e-2);
  }

  const Case case_;
  const cpu::Device device_{case_.threads, cpu::bestIsa(), true};
  Tensor x_, filter_, bias_, residual_, y_;
  std::vector<double> expected_;
  Plan plan_{};
  Step step_;
  Weights weights_;
};

std::string describe(const Case& c) {
  char text[300];
  std::snprintf(text, sizeof text,
                "%s%s (%d, %d, %d, %d) -> %d, kernel %d, stride %d, dilation %d, padding %d, groups %d, "
                "activation %d%s%s%s%s, gaps %d %d %d, %d threads",
                c.inputType == DataType::float32 ? "float32" : "bfloat16",
                c.inputType == c.outputType ? "" : " to float32", int(c.batch), int(c.height), int(c.width),
                int(c.channelsIn), int(c.channelsOut), int(c.kernel), int(c.stride), int(c.dilation),
                int(c.padding), int(c.groups), int(c.activation), c.bias ? ", bias" : "",
                c.residual ? ", residual" : "", c.residualInPlace ? " in place" : "",
                c.filterIsParameter ? "" : ", filter as input", int(c.inputGap), int(c.outputGap),
                int(c.residualGap), c.threads);
  return text;
}

std::vector<Case> allCases() {
  // (batch, height, width, channelsIn, channelsOut, kernel, stride, dilation, padding, groups)
  const std::vector<Case> shapes{
      // 1×1
      {1, 65, 129, 16, 19, 1, 1, 1, 0, 1},
      {3, 97, 33, 18, 36, 1, 1, 1, 0, 1},
      {1, 1, 1, 64, 48, 1, 1, 1, 0, 1},
      {3, 5, 7, 3, 3, 1, 1, 1, 0, 1},
      {1, 65, 129, 64, 64, 1, 1, 1, 0, 1},
      {1, 33, 65, 36, 64, 1, 2, 1, 0, 1},
      {1, 5, 7, 16, 16, 1, 1, 1, 1, 1},
      {2, 9, 9, 300, 200, 1, 1, 1, 0, 1},
      {1, 1, 19, 64, 32, 1, 1, 1, 0, 1},
      {1, 70, 90, 256, 64, 1, 1, 1, 0, 1},
      {1, 17, 9, 1, 1, 1, 1, 1, 0, 1},
      // 3×3
      {1, 65, 129, 3, 16, 3, 1, 1, 1, 1},
      {1, 97, 33, 16, 18, 3, 1, 1, 1, 1},
      {1, 1, 1, 36, 48, 3, 1, 1, 1, 1},
      {3, 5, 7, 18, 19, 3, 1, 1, 1, 1},
      {1, 65, 129, 3, 64, 3, 2, 1, 1, 1},
      {1, 33, 17, 64, 48, 3, 2, 1, 1, 1},
      {1, 65, 33, 16, 16, 3, 1, 2, 2, 1},
      {1, 33, 33, 18, 36, 3, 1, 4, 4, 1},
      {1, 33, 29, 48, 16, 3, 1, 12, 12, 1},
      {1, 5, 7, 64, 64, 3, 1, 12, 12, 1},
      {2, 9, 11, 19, 3, 3, 1, 1, 0, 1},
      {1, 9, 11, 16, 16, 3, 1, 2, 0, 1},
      {1, 9, 11, 16, 19, 3, 1, 1, 3, 1},
      {1, 9, 11, 16, 16, 3, 2, 2, 2, 1},
      {1, 16, 16, 48, 96, 3, 2, 1, 1, 1},
      {1, 16, 33, 64, 64, 3, 1, 1, 1, 1},
      {1, 7, 7, 1, 1, 3, 1, 1, 1, 1},
      // 5×5 and 7×7
      {1, 33, 17, 16, 16, 5, 1, 1, 2, 1},
      {1, 5, 7, 18, 19, 5, 2, 1, 2, 1},
      {1, 33, 35, 3, 64, 7, 2, 1, 3, 1},
      {3, 5, 7, 3, 16, 7, 1, 1, 3, 1},
      {1, 1, 1, 16, 16, 7, 1, 1, 3, 1},
      {1, 17, 19, 16, 3, 5, 1, 2, 4, 1},
      // groups
      {1, 17, 19, 16, 32, 3, 1, 1, 1, 2},
      {1, 17, 19, 18, 36, 3, 2, 1, 1, 3},
      {3, 5, 7, 64, 64, 3, 1, 1, 1, 4},
      {1, 9, 9, 12, 6, 3, 1, 2, 2, 3},
      {1, 9, 9, 16, 48, 1, 1, 1, 0, 2},
      {1, 9, 9, 64, 64, 3, 1, 1, 1, 32},
      // depthwise
      {1, 33, 65, 32, 32, 3, 1, 1, 1, 32},
      {1, 65, 33, 96, 96, 3, 2, 1, 1, 96},
      {3, 5, 7, 18, 18, 3, 1, 1, 1, 18},
      {1, 17, 17, 64, 64, 3, 1, 2, 2, 64},
      {1, 17, 17, 16, 16, 3, 1, 4, 4, 16},
      {1, 5, 7, 19, 19, 3, 1, 12, 12, 19},
      {1, 9, 9, 16, 32, 3, 1, 1, 1, 16},
      {1, 9, 9, 48, 48, 5, 1, 1, 2, 48},
  };
  std::vector<Case> cases;
  struct Types {
    DataType input, output;
  };
  int i = 0;
  for (const Types types : {Types{DataType::float32, DataType::float32},
                            {DataType::bfloat16, DataType::bfloat16},
                            {DataType::bfloat16, DataType::float32}}) {
    for (Case c : shapes) {
      // Twice: once dense, once with slices. The rest varies from case to case, independently of the sizes.
      for (const bool slices : {false, true}) {
        ++i;
        c.inputType = types.input;
        c.outputType = types.output;
        c.activation = static_cast<Activation>(i / 2 % 4);
        c.bias = i % 3 != 0;
        c.residual = i % 5 < 3;
        c.residualInPlace = c.residual && i % 7 < 4;
        c.filterIsParameter = i % 11 > 2;
        c.inputGap = slices && i % 4 < 3 ? 1 + i % 16 : 0;
        c.outputGap = slices && i % 3 < 2 ? 1 + i % 13 : 0;
        c.residualGap = slices ? i % 2 * 8 : 0;
        c.threads = 1 + i % 13 % 2;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

}  // namespace

int main() {
  int failures = 0;
  std::vector<Case> cases = allCases();
  if (dnnl::get_effective_cpu_isa() < dnnl::cpu_isa::avx512_core) {
    const std::size_t skipped =
        std::erase_if(cases, [](const Case& c) { return c.inputType == DataType::bfloat16; });
    std::printf("  skipped %zu cases: oneDNN has bfloat16 only with AVX-512\n", skipped);
  }
  for (const Case& c : cases) {
    std::string wrong;
    try {
      wrong = Check(c).run();
    } catch (const std::exception& error) {
      wrong = error.what();
    }
    if (wrong.empty()) continue;
    std::printf("FAILED %s: %s\n", describe(c).c_str(), wrong.c_str());
    ++failures;
  }
  for (const auto& [name, count] : ranNames)
    std::printf("  %s: ran %d, chosen %d\n", name.c_str(), count, chosenNames[name]);
  std::printf("conv2d: %zu cases, %d failed\n", cases.size(), failures);
  return failures == 0 ? 0 : 1;
}

// Winograd convolution against a naive convolution in float64: sizes that fit no tile, panel or vector, all
// activations, strided operands, poisoned outputs and scratch, and guard bands around all that may be
// written.

#include "cpu/winograd/winograd.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "activated.h"

namespace {

using ocrnet::Activation;
namespace winograd = ocrnet::cpu::winograd;

/// ‖ours − exact‖ / ‖exact‖: half of what a convolution in float32 may err by. The worst of the cases below
/// is near 2e-6, and differs between instruction sets and compilers.
constexpr double kTolerance = 5e-6;
constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kGuard = 256;  // floats before and after

struct Case {
  std::int64_t batch, height, width, channelsIn, channelsOut, dilation, padding;
  Activation activation;
  bool bias, residual;
  std::int64_t inputGap, outputGap, residualGap;  // elements between the pixels' channels
  int threads;
};

std::mt19937 generator(1);

std::vector<float> randomFloats(std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

/// A buffer whose every byte is poison, so that each wrong read or missing write shows.
struct Guarded {
  explicit Guarded(std::size_t count) : values(count + 2 * kGuard, kPoison) {}
  float* data() { return values.data() + kGuard; }
  std::vector<float> values;
};

bool isPoison(float value) { return std::memcmp(&value, &kPoison, sizeof value) == 0; }

std::string describe(const Case& c) {
  char text[200];
  std::snprintf(text, sizeof text,
                "%lldx%lldx%lldx%lld -> %lld, dilation %lld, padding %lld, activation %d%s%s, %d threads",
                static_cast<long long>(c.batch), static_cast<long long>(c.height),
                static_cast<long long>(c.width), static_cast<long long>(c.channelsIn),
                static_cast<long long>(c.channelsOut), static_cast<long long>(c.dilation),
                static_cast<long long>(c.padding), static_cast<int>(c.activation), c.bias ? ", bias" : "",
                c.residual ? ", residual" : "", c.threads);
  return text;
}

/// Empty if the case is right, else what is wrong.
std::string check(const Case& c, ocrnet::cpu::Isa isa) {
  const ocrnet::cpu::Device device{c.threads, isa, false};
  const winograd::Problem problem{c.batch,
                                  c.height,
                                  c.width,
                                  c.channelsIn,
                                  c.channelsOut,
                                  c.dilation,
                                  c.padding,
                                  c.channelsIn + c.inputGap,
                                  c.channelsOut + c.outputGap,
                                  c.channelsOut + c.residualGap};
  const std::int64_t outputHeight = problem.outputHeight(), outputWidth = problem.outputWidth();
  const std::size_t inputPixels = c.batch * c.height * c.width,
                    outputPixels = c.batch * outputHeight * outputWidth;
  const float slope = 0.1f;

  std::vector<float> filter = randomFloats(c.channelsOut * 9 * c.channelsIn);
  for (float& tap : filter)
    tap /= std::sqrt(static_cast<float>(9 * c.channelsIn));  // outputs near 1, below relu6's 6
  const std::vector<float> bias = randomFloats(c.channelsOut);
  Guarded x(inputPixels * problem.inputPixelStride), residual(outputPixels * problem.residualPixelStride);
  Guarded y(outputPixels * problem.outputPixelStride);
  for (std::size_t p = 0; p < inputPixels; ++p) {
    const std::vector<float> pixel = randomFloats(c.channelsIn);
    std::copy(pixel.begin(), pixel.end(), x.data() + p * problem.inputPixelStride);
  }
  for (std::size_t p = 0; p < outputPixels; ++p) {
    const std::vector<float> pixel = randomFloats(c.channelsOut);
    std::copy(pixel.begin(), pixel.end(), residual.data() + p * problem.residualPixelStride);
  }

  Guarded packed(winograd::packedFilterBytes(problem, device) / sizeof(float));
  winograd::packFilter(problem, device, filter.data(), packed.data());
  std::vector<float> unpacked(filter.size());
  winograd::unpackFilter(problem, device, packed.data(), unpacked.data());
  if (unpacked != filter) return "unpacked another filter than it packed";
  Guarded scratch(winograd::scratchBytes(problem, device) / sizeof(float));
  winograd::run(problem, device,
                {x.data(),
                 packed.data(),
                 c.bias ? bias.data() : nullptr,
                 c.residual ? residual.data() : nullptr,
                 y.data(),
                 {c.activation, slope}},
                scratch.data());

  for (Guarded* buffer : {&packed, &scratch, &y}) {
    const std::size_t size = buffer->values.size();
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (!isPoison(buffer->values[i]) || !isPoison(buffer->values[size - 1 - i]))
        return "wrote outside a buffer";
    }
  }

  double error = 0, norm = 0;
  std::vector<double> sums(c.channelsOut);
  for (std::int64_t n = 0; n < c.batch; ++n) {
    for (std::int64_t row = 0; row < outputHeight; ++row) {
      for (std::int64_t column = 0; column < outputWidth; ++column) {
        for (std::int64_t k = 0; k < c.channelsOut; ++k) sums[k] = c.bias ? bias[k] : 0.0;
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          const std::int64_t i = row - c.padding + tap / 3 * c.dilation,
                             j = column - c.padding + tap % 3 * c.dilation;
          if (i < 0 || i >= c.height || j < 0 || j >= c.width) continue;
          const float* const pixel = x.data() + ((n * c.height + i) * c.width + j) * problem.inputPixelStride;
          for (std::int64_t k = 0; k < c.channelsOut; ++k) {
            const float* const taps = filter.data() + (k * 9 + tap) * c.channelsIn;
            for (std::int64_t in = 0; in < c.channelsIn; ++in)
              sums[k] += static_cast<double>(taps[in]) * pixel[in];
          }
        }
        const std::int64_t p = (n * outputHeight + row) * outputWidth + column;
        const float* const out = y.data() + p * problem.outputPixelStride;
        for (std::int64_t k = 0; k < c.channelsOut; ++k) {
          if (c.residual) sums[k] += residual.data()[p * problem.residualPixelStride + k];
          const double expected = ocrnet::test::activated(sums[k], c.activation, slope),
                       difference = out[k] - expected;
          error += difference * difference;
          norm += expected * expected;
        }
        for (std::int64_t gap = c.channelsOut; gap < problem.outputPixelStride; ++gap) {
          if (!isPoison(out[gap])) return "wrote between the output's channels";
        }
      }
    }
  }
  const double relative = std::sqrt(error / norm);
  if (!(relative <= kTolerance)) return "relative error " + std::to_string(relative * 1e6) + "e-6";
  return "";
}

}  // namespace

int main() {
  std::vector<Case> cases;
  const auto add = [&](std::int64_t batch, std::int64_t height, std::int64_t width, std::int64_t in,
                       std::int64_t out, std::int64_t dilation) {
    // The epilogue, gaps and threads vary from case to case, independently of the sizes.
    const int i = static_cast<int>(cases.size());
    cases.push_back({batch, height, width, in, out, dilation, dilation, static_cast<Activation>(i % 4),
                     i % 3 != 0, i % 5 < 3, i % 2 * 5, i % 7, i % 3 * 16, 1 + i % 4});
  };
  for (const std::int64_t dilation : {1, 2, 4, 7}) {  // in 7, tiles lie across phases
    add(1, 1, 1, 3, 19, dilation);
    add(3, 5, 7, 18, 36, dilation);
    add(2, 9, 13, 19, 3, dilation);
    add(1, 17, 33, 48, 48, dilation);
    add(3, 11, 6, 36, 18, dilation);
    add(1, 16, 32, 96, 80, dilation);
    add(1, 3, 40, 130, 64, dilation);
    add(1, 33, 9, 16, 144, dilation);
    add(1, 12, 20, 300, 200, dilation);
  }
  add(1, 16, 32, 384, 384, 1);
  add(1, 32, 32, 192, 192, 1);
  add(1, 9, 17, 600, 512, 4);
  add(1, 70, 66, 64, 64, 12);
  add(2, 31, 40, 48, 40, 6);
  add(1, 23, 128, 32, 32, 24);
  for (const std::int64_t padding : {0, 1, 3}) {
    add(2, 14, 15, 20, 40, 2);
    cases.back().padding = padding;
  }

  int failures = 0;
  for (const Case& c : cases) {
    for (const ocrnet::cpu::Isa isa :
         {ocrnet::cpu::Isa::portable, ocrnet::cpu::Isa::avx2, ocrnet::cpu::Isa::avx512}) {
      if (isa > ocrnet::cpu::bestIsa()) continue;
      const std::string wrong = check(c, isa);
      if (wrong.empty()) continue;
      std::printf("FAILED %s, %s: %s\n", describe(c).c_str(), ocrnet::cpu::isaName(isa), wrong.c_str());
      ++failures;
    }
  }
  std::printf("winograd: %zu cases, %d failed\n", cases.size(), failures);
  return failures == 0 ? 0 : 1;
}

// conv2dInputGradient and conv2dFilterGradient on the CPU, by each algorithm that supports a problem, against
// the definition in float64. Slices, residuals in place and beside, poisoned outputs and scratch.
//
// Tolerances. With n terms a sum in float32 in any order errs by at most n · 2⁻²⁴ times the sum of the
// terms' magnitudes, and by about √n of that share of it if the errors are independent. Kernels sum at most
// some hundreds of terms in one register before they add up partial sums, so 1e-5 of the largest sum of
// magnitudes, some 170 roundings, holds for all of them.
//
// Winograd. In one dimension a result is Σᵢ Tᵢ (Σ Pᵢ p)(Σ Qᵢ q), with T, P and Q the rows of three of Aᵀ, G,
// Bᵀ, A and Gᵀ. For the points 0, ±√½, ±√2 and ∞, max Σᵢ |T| ‖Pᵢ‖₁ ‖Qᵢ‖₁ is 25 for the input's gradient and
// 31 for the filter's, so in two dimensions a rounding is enlarged at most 31² ≈ 950 times against the
// largest operands: that is the strict bound, n · 2⁻²⁴ · 950 of n products. Roundings are independent, and
// the same with root mean squares instead of sums, √(Σ T² ‖P‖₂² ‖Q‖₂²), over the √3 or √4 of the direct sum,
// is 2.7 and 2.4: in two dimensions 7 times what a direct sum errs by. So 5e-5, five times the tolerance of
// direct sums, which are themselves far below theirs.

#include <algorithm>
#include <cmath>

#include "convolution-case.h"
#include "cpu/conv/algorithm.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;
using cpu::conv::Algorithm;
using Case = ConvolutionCase;
using Reference = SumsReference;

// The operations with their choice of algorithm taken away.

constexpr const Algorithm* kInputGradients[] = {
    &cpu::conv::onednnInputGradient, &cpu::conv::convolutionInputGradient, &cpu::conv::matmulInputGradient,
    &cpu::conv::winogradInputGradient};
constexpr const Algorithm* kFilterGradients[] = {
    &cpu::conv::onednnFilterGradient, &cpu::conv::depthwiseFilterGradient, &cpu::conv::sumsFilterGradient,
    &cpu::conv::winogradFilterGradient};

std::uint32_t forced;
std::string forcedName;  // empty where the algorithm supports no such problem

struct Unsupported {};

Choice force(const Algorithm& algorithm, const cpu::conv::Problem& problem, const cpu::Device& device) {
  forcedName.clear();
  if (!algorithm.supports(problem, device)) throw Unsupported();
  const cpu::conv::Estimate estimate = algorithm.estimate(problem, device);
  forcedName = estimate.name;
  return {forced, "forced", estimate.scratchBytes};
}

const cpu::Op kInputGradientOp{[](const StepDescription& description, const cpu::Device& device) {
                                 return force(*kInputGradients[forced],
                                              cpu::conv::describeInputGradient(description), device);
                               },
                               cpu::conv2dInputGradientOp.prepare};
const cpu::Op kFilterGradientOp{[](const StepDescription& description, const cpu::Device& device) {
                                  return force(*kFilterGradients[forced],
                                               cpu::conv::describeFilterGradient(description), device);
                                },
                                cpu::conv2dFilterGradientOp.prepare};

double tolerance() { return forcedName.starts_with("winograd") ? 5e-5 : 1e-5; }

/// Whether there is an algorithm of the forced number for the problem; throws where it is wrong.
template <class Check>
bool tryForced(const Case& c, const Check& check) {
  try {
    check();
    return true;
  } catch (const Unsupported&) {
    return false;
  } catch (const std::exception& error) {
    throw std::runtime_error(c.describe() + "by " + forcedName + ": " + error.what());
  }
}

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const Case kCases[] = {
    {2, 9, 13, 18, 36, 1, 1, 0, 1, 1},   {1, 65, 33, 64, 20, 1, 1, 0, 1, 1},
    {3, 5, 7, 3, 3, 1, 1, 0, 1, 1},      {1, 19, 1, 70, 33, 1, 1, 0, 1, 1},
    {2, 9, 11, 16, 32, 1, 2, 0, 1, 1},   {1, 1, 1, 3, 19, 3, 1, 1, 1, 1},
    {3, 5, 7, 18, 36, 3, 1, 1, 1, 1},    {2, 9, 13, 19, 3, 3, 1, 1, 1, 1},
    {1, 17, 33, 48, 48, 3, 1, 1, 1, 1},  {2, 11, 6, 36, 70, 3, 1, 2, 2, 1},
    {1, 12, 20, 96, 130, 3, 1, 4, 4, 1}, {2, 14, 15, 20, 40, 3, 1, 0, 1, 1},
    {2, 14, 15, 20, 40, 3, 1, 3, 2, 1},  {1, 14, 15, 20, 40, 3, 1, 5, 2, 1},
    {2, 13, 9, 16, 24, 3, 2, 1, 1, 1},   {1, 16, 16, 48, 96, 3, 2, 1, 1, 1},
    {1, 33, 35, 3, 64, 7, 2, 3, 1, 1},   {1, 9, 11, 16, 16, 3, 2, 2, 2, 1},
    {2, 17, 19, 18, 36, 3, 2, 1, 1, 3},  {1, 9, 9, 64, 64, 3, 1, 1, 1, 4},
    {2, 17, 9, 32, 32, 3, 1, 1, 1, 32},  {1, 33, 17, 96, 96, 3, 2, 1, 1, 96},
    {1, 9, 9, 19, 19, 3, 1, 2, 2, 19},   {1, 9, 9, 16, 32, 3, 1, 1, 1, 16},
    {1, 9, 9, 21, 17, 5, 1, 2, 1, 1},    {1, 40, 70, 33, 35, 3, 1, 1, 1, 1},
    {2, 29, 33, 40, 36, 3, 1, 7, 7, 1},
};

void inputGradient(const Configuration& configuration) {
  if (configuration.type != DataType::float32) return;
  const auto type = DataType::float32;
  int i = 0;
  for (const Case& c : kCases) {
    const Values dy = randomValues(type, c.y()), filter = randomValues(type, c.filter()),
                 residual = randomValues(type, c.x());
    ++i;
    const bool withResidual = i % 3 > 0, inPlace = i % 3 == 2;
    Reference expected(c.x());
    eachProduct(c,
                [&](std::int64_t x, std::int64_t w, std::int64_t y) { expected.add(x, dy[y] * filter[w]); });
    for (std::size_t k = 0; withResidual && k < residual.size(); ++k) expected.add(k, residual[k]);
    int ran = 0;
    for (forced = 0; forced < std::size(kInputGradients); ++forced) {
      ran += tryForced(c, [&] {
        const auto n = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
        OpRunner runner(kInputGradientOp, Opcode::conv2dInputGradient,
                        Conv2dInputGradientAttributes{n(c.stride), n(c.padding), n(c.dilation), n(c.groups),
                                                      n(c.height), n(c.width)});
        runner.input(type, c.y(), dy, configuration.gap).input(type, c.filter(), filter);
        if (withResidual) {
          runner.input(type, c.x(), residual, configuration.gap);
        } else {
          runner.absentInput();
        }
        if (inPlace) {
          runner.outputInPlaceOf(2);
        } else {
          runner.output(type, c.x(), configuration.gap * 2);
        }
        const Values dx = runner.run(configuration).front();
        expected.requireNear(dx, tolerance());
      });
    }
    require(ran > 0, "no algorithm ran");
  }
}

void filterGradient(const Configuration& configuration) {
  if (configuration.type != DataType::float32) return;
  const auto type = DataType::float32;
  for (const Case& c : kCases) {
    const Values x = randomValues(type, c.x()), dy = randomValues(type, c.y());
    Reference expected(c.filter());
    eachProduct(c, [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(w, x[i] * dy[j]); });
    int ran = 0;
    for (forced = 0; forced < std::size(kFilterGradients); ++forced) {
      ran += tryForced(c, [&] {
        const auto n = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
        Values first;
        for (int run = 0; run < 2; ++run) {
          OpRunner runner(kFilterGradientOp, Opcode::conv2dFilterGradient,
                          Conv2dFilterGradientAttributes{n(c.stride), n(c.padding), n(c.dilation),
                                                         n(c.groups), n(c.kernel), n(c.kernel)});
          runner.input(type, c.x(), x, configuration.gap).input(type, c.y(), dy, configuration.gap * 2);
          runner.output(type, c.filter());
          const Values result = runner.run(configuration).front();
          expected.requireNear(result, tolerance());
          require(run == 0 || result == first, "a second run gives another result");
          first = result;
        }
      });
    }
    require(ran > 0, "no algorithm ran");
  }
}

void refusals(const Configuration& configuration) {
  if (configuration.type == DataType::float32) return;
  try {
    const Shape shape{1, 3, 3, 4}, filter{4, 1, 1, 4};
    OpRunner runner(Opcode::conv2dInputGradient, Conv2dInputGradientAttributes{1, 0, 1, 1, 3, 3});
    runner.input(configuration.type, shape, randomValues(configuration.type, shape))
        .input(DataType::float32, filter, randomValues(DataType::float32, filter))
        .absentInput()
        .output(configuration.type, shape);
    runner.run(configuration);
  } catch (const Error& error) {
    require(std::string(error.code()) == "UNSUPPORTED", error.what());
    return;
  }
  throw std::runtime_error("took bfloat16");
}

}  // namespace

int main() {
  return runTests({{"input gradient", inputGradient},
                   {"filter gradient", filterGradient},
                   {"bfloat16 is refused", refusals}},
                  cpuConfigurations());
}

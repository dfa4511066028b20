// conv2d on the GPU by each of its algorithms, against the definition in float64: every epilogue, slices,
// residuals in place and beside, filters that are parameters and filters that are not, poisoned outputs.

#include "cuda-convolution.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

constexpr auto& kAlgorithms = cuda::conv::kConvolutions;
const cuda::Op& kOp = kForcedOp<cuda::conv::kConvolutions, cuda::conv::describeConvolution, cuda::conv2dOp>;

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const ConvolutionCase kCases[] = {
    // 1×1
    {1, 13, 17, 16, 19, 1, 1, 0, 1, 1},
    {3, 7, 9, 18, 36, 1, 1, 0, 1, 1},
    {1, 1, 1, 64, 48, 1, 1, 0, 1, 1},
    {3, 5, 7, 3, 3, 1, 1, 0, 1, 1},
    {1, 9, 15, 64, 140, 1, 1, 0, 1, 1},
    {1, 9, 13, 36, 64, 1, 2, 0, 1, 1},
    {1, 5, 7, 16, 16, 1, 1, 1, 1, 1},
    {2, 3, 3, 300, 70, 1, 1, 0, 1, 1},
    {1, 17, 9, 1, 1, 1, 1, 0, 1, 1},
    // 3×3
    {1, 17, 13, 3, 16, 3, 1, 1, 1, 1},
    {1, 9, 11, 16, 18, 3, 1, 1, 1, 1},
    {1, 1, 1, 36, 48, 3, 1, 1, 1, 1},
    {3, 5, 7, 18, 19, 3, 1, 1, 1, 1},
    {1, 17, 13, 3, 64, 3, 2, 1, 1, 1},
    {2, 9, 7, 64, 48, 3, 2, 1, 1, 1},
    {1, 13, 11, 16, 16, 3, 1, 2, 2, 1},
    {1, 13, 9, 48, 16, 3, 1, 12, 12, 1},
    {2, 9, 11, 19, 3, 3, 1, 0, 1, 1},
    {1, 9, 11, 16, 19, 3, 1, 3, 1, 1},
    {1, 9, 11, 16, 16, 3, 2, 2, 2, 1},
    {1, 11, 13, 24, 132, 3, 1, 1, 1, 1},
    // 5×5 and 7×7
    {1, 9, 11, 16, 16, 5, 1, 2, 1, 1},
    {1, 17, 15, 3, 64, 7, 2, 3, 1, 1},
    {1, 7, 9, 10, 3, 5, 1, 4, 2, 1},
    // groups
    {1, 9, 11, 16, 32, 3, 1, 1, 1, 2},
    {1, 9, 11, 18, 36, 3, 2, 1, 1, 3},
    {1, 9, 9, 12, 6, 3, 1, 2, 2, 3},
    {1, 9, 9, 64, 64, 3, 1, 1, 1, 2},
    // depthwise
    {1, 9, 13, 32, 32, 3, 1, 1, 1, 32},
    {1, 13, 9, 96, 96, 3, 2, 1, 1, 96},
    {3, 5, 7, 18, 18, 3, 1, 1, 1, 18},
    {1, 5, 7, 19, 19, 3, 1, 12, 12, 19},
    {1, 9, 9, 16, 32, 3, 1, 1, 1, 16},
    {1, 9, 9, 48, 48, 5, 1, 2, 1, 48},
};

/// What varies besides the sizes, independently of them.
struct Variant {
  Activation activation = Activation::none;
  bool bias = false, residual = false, residualInPlace = false, filterIsParameter = true, toFloat32 = false;
};

struct Operands {
  Values x, filter, bias, residual;
};

Values run(const Configuration& configuration, const ConvolutionCase& c, const Variant& v,
           const Operands& operands) {
  const DataType type = configuration.type, resultType = v.toFloat32 ? DataType::float32 : type;
  OpRunner runner(Opcode::conv2d, Conv2dAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                   number(c.groups), v.activation, kSlope,
                                                   v.toFloat32 ? OutputType::float32 : OutputType::same});
  runner.onCuda(kOp).input(type, c.x(), operands.x, configuration.gap);
  if (v.filterIsParameter) {
    runner.parameter("filter", c.filter(), operands.filter);
  } else {
    runner.input(DataType::float32, c.filter(), operands.filter);
  }
  if (v.bias) {
    runner.input(DataType::float32, {c.channelsOut}, operands.bias);
  } else {
    runner.absentInput();
  }
  if (v.residual) {
    runner.input(resultType, c.y(), operands.residual, configuration.gap);
  } else {
    runner.absentInput();
  }
  if (v.residualInPlace) {
    runner.outputInPlaceOf(3);
  } else {
    runner.output(resultType, c.y(), configuration.gap * 2);
  }
  return runner.run(configuration).front();
}

SumsReference reference(const ConvolutionCase& c, const Variant& v, const Operands& operands) {
  SumsReference expected(c.y());
  eachProduct(c, [&](std::int64_t i, std::int64_t w, std::int64_t j) {
    expected.add(j, operands.x[i] * operands.filter[w]);
  });
  for (std::size_t j = 0; j < expected.sums.size(); ++j) {
    if (v.bias) expected.add(j, operands.bias[j % c.channelsOut]);
    if (v.residual) expected.add(j, operands.residual[j]);
    expected.sums[j] = activated(expected.sums[j], v.activation, kSlope);
  }
  return expected;
}

Operands randomOperands(DataType type, DataType resultType, const ConvolutionCase& c) {
  return {randomValues(type, c.x()), randomValues(DataType::float32, c.filter()),
          randomValues(DataType::float32, {c.channelsOut}), randomValues(resultType, c.y())};
}

void cases(const Configuration& configuration) {
  int i = static_cast<int>(configuration.schedule) + 5 * static_cast<int>(configuration.floatType());
  for (const ConvolutionCase& c : kCases) {
    ++i;
    const bool toFloat32 = configuration.type != DataType::float32 && i % 3 == 0, residual = i % 5 < 3;
    const Variant variant{.activation = static_cast<Activation>(i % 4),
                          .bias = i % 3 > 0,
                          .residual = residual,
                          .residualInPlace = residual && i % 2 > 0,
                          .filterIsParameter = i % 7 > 2,
                          .toFloat32 = toFloat32};
    const Operands operands =
        randomOperands(configuration.type, toFloat32 ? DataType::float32 : configuration.type, c);
    const SumsReference expected = reference(c, variant, operands);
    byEachAlgorithm(configuration, std::size(kAlgorithms), c, [&] {
      const Values y = run(configuration, c, variant, operands);
      expected.requireNear(y, forcedTolerance(configuration));
    });
  }
}

void epilogues(const Configuration& configuration) {
  const ConvolutionCase c{1, 7, 5, 24, 40, 3, 1, 1, 1, 1};
  const Operands operands = randomOperands(configuration.type, configuration.type, c);
  for (const Activation activation : kActivations) {
    for (const bool bias : {false, true}) {
      for (const bool residual : {false, true}) {
        const Variant variant{.activation = activation, .bias = bias, .residual = residual};
        const SumsReference expected = reference(c, variant, operands);
        byEachAlgorithm(configuration, std::size(kAlgorithms), c, [&] {
          const Values y = run(configuration, c, variant, operands);
          expected.requireNear(y, forcedTolerance(configuration));
        });
      }
    }
  }
}

void notANumber(const Configuration& configuration) {
  const ConvolutionCase c{1, 9, 11, 24, 40, 3, 1, 1, 1, 1};
  Operands operands = randomOperands(configuration.type, configuration.type, c);
  operands.x[(3 * 11 + 4) * 24 + 5] = kNaN;
  operands.x[(7 * 11 + 9) * 24 + 23] = kInfinity;
  const Variant variant{.activation = Activation::relu, .bias = true};
  const SumsReference expected = reference(c, variant, operands);
  byEachAlgorithm(configuration, std::size(kAlgorithms), c, [&] {
    const Values y = run(configuration, c, variant, operands);
    expected.requireNear(y, forcedTolerance(configuration));
  });
}

void wrongPlans(const Configuration& configuration) {
  const ConvolutionCase c{1, 3, 3, 16, 16, 3, 1, 1, 1, 1};
  const Operands operands = randomOperands(configuration.type, configuration.type, c);
  static const cuda::Op beyond{[](const StepDescription&, const cuda::Device&) -> Choice {
                                 return {static_cast<std::uint32_t>(std::size(kAlgorithms)), "", 0};
                               },
                               cuda::conv2dOp.prepare};
  OpRunner runner(Opcode::conv2d, Conv2dAttributes{1, 1, 1, 1, Activation::none, 0, OutputType::same});
  runner.onCuda(beyond).input(configuration.type, c.x(), operands.x);
  runner.input(DataType::float32, c.filter(), operands.filter).absentInput().absentInput();
  runner.output(configuration.type, c.y());
  try {
    runner.run(configuration);
  } catch (const Error& error) {
    require(std::string(error.code()) == "INVALID_PLAN", error.what());
    return;
  }
  throw std::runtime_error("took an algorithm that there is not");
}

}  // namespace

int main() {
  return runTests({{"convolutions", cases},
                   {"every epilogue", epilogues},
                   {"NaN and infinity pass", notANumber},
                   {"an algorithm beyond the last is refused", wrongPlans}},
                  cudaConfigurations());
}

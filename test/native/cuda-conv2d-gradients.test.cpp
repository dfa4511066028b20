// conv2dInputGradient and conv2dFilterGradient on the GPU by each of their algorithms, against the definition
// in float64. Slices, residuals in place and beside, poisoned outputs and scratch.

#include "cuda-convolution.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

constexpr auto& kInputGradients = cuda::conv::kConvolutions;
constexpr auto& kFilterGradients = cuda::conv::kFilterGradients;
const cuda::Op& kInputGradientOp =
    kForcedOp<cuda::conv::kConvolutions, cuda::conv::describeInputGradient, cuda::conv2dInputGradientOp>;
const cuda::Op& kFilterGradientOp =
    kForcedOp<cuda::conv::kFilterGradients, cuda::conv::describeFilterGradient, cuda::conv2dFilterGradientOp>;

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const ConvolutionCase kCases[] = {
    {2, 9, 13, 18, 36, 1, 1, 0, 1, 1}, {1, 15, 13, 64, 20, 1, 1, 0, 1, 1}, {3, 5, 7, 3, 3, 1, 1, 0, 1, 1},
    {1, 19, 1, 70, 33, 1, 1, 0, 1, 1}, {2, 9, 11, 16, 32, 1, 2, 0, 1, 1},  {1, 1, 1, 3, 19, 3, 1, 1, 1, 1},
    {3, 5, 7, 18, 36, 3, 1, 1, 1, 1},  {2, 9, 13, 19, 3, 3, 1, 1, 1, 1},   {1, 7, 9, 24, 48, 3, 1, 1, 1, 1},
    {2, 11, 6, 36, 30, 3, 1, 2, 2, 1}, {1, 6, 10, 72, 130, 1, 1, 0, 1, 1}, {2, 7, 8, 20, 40, 3, 1, 0, 1, 1},
    {2, 7, 8, 20, 40, 3, 1, 3, 2, 1},  {1, 14, 15, 20, 40, 3, 1, 5, 2, 1}, {2, 13, 9, 16, 24, 3, 2, 1, 1, 1},
    {1, 8, 8, 24, 72, 3, 2, 1, 1, 1},  {1, 17, 15, 3, 64, 7, 2, 3, 1, 1},  {1, 9, 11, 16, 16, 3, 2, 2, 2, 1},
    {1, 10, 11, 8, 16, 3, 3, 1, 1, 1}, {1, 11, 10, 8, 16, 2, 3, 0, 1, 1},  {2, 9, 11, 18, 36, 3, 2, 1, 1, 3},
    {1, 9, 9, 64, 64, 3, 1, 1, 1, 4},  {2, 17, 9, 32, 32, 3, 1, 1, 1, 32}, {1, 17, 9, 96, 96, 3, 2, 1, 1, 96},
    {1, 9, 9, 19, 19, 3, 1, 2, 2, 19}, {1, 9, 9, 16, 32, 3, 1, 1, 1, 16},  {1, 9, 9, 21, 17, 5, 1, 2, 1, 1},
    {2, 9, 9, 16, 36, 3, 1, 7, 7, 1},  {2, 33, 31, 16, 24, 3, 1, 1, 1, 1},
};

Values inputGradientOf(const Configuration& configuration, const ConvolutionCase& c, const Values& dy,
                       const Values& filter, const Values* residual, bool inPlace) {
  OpRunner runner(Opcode::conv2dInputGradient,
                  Conv2dInputGradientAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                number(c.groups), number(c.height), number(c.width)});
  runner.onCuda(kInputGradientOp).input(configuration.type, c.y(), dy, configuration.gap);
  runner.input(DataType::float32, c.filter(), filter);
  if (residual) {
    runner.input(configuration.type, c.x(), *residual, configuration.gap);
  } else {
    runner.absentInput();
  }
  if (inPlace) {
    runner.outputInPlaceOf(2);
  } else {
    runner.output(configuration.type, c.x(), configuration.gap * 2);
  }
  return runner.run(configuration).front();
}

void inputGradient(const Configuration& configuration) {
  const DataType type = configuration.type;
  int i = static_cast<int>(configuration.schedule);
  for (const ConvolutionCase& c : kCases) {
    const Values dy = randomValues(type, c.y()), filter = randomValues(DataType::float32, c.filter()),
                 residual = randomValues(type, c.x());
    ++i;
    const bool withResidual = i % 3 > 0, inPlace = i % 3 == 2;
    SumsReference expected(c.x());
    eachProduct(c,
                [&](std::int64_t x, std::int64_t w, std::int64_t y) { expected.add(x, dy[y] * filter[w]); });
    for (std::size_t k = 0; withResidual && k < residual.size(); ++k) expected.add(k, residual[k]);
    byEachAlgorithm(configuration, std::size(kInputGradients), c, [&] {
      const Values result =
          inputGradientOf(configuration, c, dy, filter, withResidual ? &residual : nullptr, inPlace);
      expected.requireNear(result, forcedTolerance(configuration));
    });
  }
}

Values filterGradientOf(const Configuration& configuration, const ConvolutionCase& c, const Values& x,
                        const Values& dy) {
  OpRunner runner(Opcode::conv2dFilterGradient,
                  Conv2dFilterGradientAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                 number(c.groups), number(c.kernel), number(c.kernel)});
  runner.onCuda(kFilterGradientOp).input(configuration.type, c.x(), x, configuration.gap);
  runner.input(configuration.type, c.y(), dy, configuration.gap * 2);
  runner.output(DataType::float32, c.filter());
  return runner.run(configuration).front();
}

void filterGradient(const Configuration& configuration) {
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(configuration.type, c.x()), dy = randomValues(configuration.type, c.y());
    SumsReference expected(c.filter());
    eachProduct(c, [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(w, x[i] * dy[j]); });
    byEachAlgorithm(configuration, std::size(kFilterGradients), c, [&] {
      const Values result = filterGradientOf(configuration, c, x, dy);
      expected.requireNear(result, forcedTolerance(configuration));
      require(filterGradientOf(configuration, c, x, dy) == result, "a second run gives another result");
    });
  }
}

void notANumber(const Configuration& configuration) {
  const ConvolutionCase c{2, 9, 11, 24, 40, 3, 2, 1, 1, 1};
  Values x = randomValues(configuration.type, c.x()), dy = randomValues(configuration.type, c.y());
  const Values filter = randomValues(DataType::float32, c.filter());
  x[(3 * 11 + 4) * 24 + 5] = kNaN;
  dy[(2 * 6 + 3) * 40 + 7] = kInfinity;
  SumsReference dx(c.x()), dFilter(c.filter());
  eachProduct(c, [&](std::int64_t i, std::int64_t w, std::int64_t j) {
    dx.add(i, dy[j] * filter[w]);
    dFilter.add(w, x[i] * dy[j]);
  });
  byEachAlgorithm(configuration, std::size(kInputGradients), c, [&] {
    const Values result = inputGradientOf(configuration, c, dy, filter, nullptr, false);
    dx.requireNear(result, forcedTolerance(configuration));
  });
  byEachAlgorithm(configuration, std::size(kFilterGradients), c, [&] {
    const Values result = filterGradientOf(configuration, c, x, dy);
    dFilter.requireNear(result, forcedTolerance(configuration));
  });
}

}  // namespace

int main() {
  return runTests({{"input gradient", inputGradient},
                   {"filter gradient", filterGradient},
                   {"NaN and infinity pass", notANumber}},
                  cudaConfigurations());
}

// conv2dMoments: y against the definition in float64, and the moments against those of the y that was
// written.

#include "convolution-case.h"
#include "moments-reference.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;
using Case = ConvolutionCase;

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const Case kCases[] = {
    {2, 9, 13, 18, 36, 1, 1, 0, 1, 1},   // three ranges and a part, across the pictures
    {1, 8, 16, 16, 64, 1, 1, 0, 1, 1},   // whole ranges
    {1, 5, 13, 16, 130, 3, 1, 2, 2, 1},  // the last one has one pixel
    {3, 5, 7, 40, 48, 3, 1, 1, 1, 1},   {2, 17, 19, 20, 70, 3, 2, 1, 1, 1}, {1, 1, 1, 3, 19, 3, 1, 1, 1, 1},
    {2, 19, 17, 3, 16, 7, 2, 3, 1, 1},  {2, 9, 9, 32, 32, 3, 1, 1, 1, 32},  {1, 9, 9, 18, 6, 3, 1, 1, 1, 3},
};

Conv2dMomentsAttributes attributesOf(const Case& c) {
  const auto n = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  return {n(c.stride), n(c.padding), n(c.dilation), n(c.groups)};
}

OpRunner runnerOf(const Configuration& configuration, const Case& c, const Values& x, const Values& filter,
                  const Values& bias) {
  OpRunner runner(Opcode::conv2dMoments, attributesOf(c));
  runner.input(configuration.type, c.x(), x, configuration.gap).parameter("filter", c.filter(), filter);
  bias.empty() ? runner.absentInput() : runner.parameter("bias", {c.channelsOut}, bias);
  runner.output(configuration.type, c.y(), 2 * configuration.gap);
  return runner;
}

OpRunner& withMoments(OpRunner& runner, const Case& c) {
  return runner.output(DataType::float32, momentsShape(c.y())).output(DataType::float32, momentsShape(c.y()));
}

/// With a bias, the first channels lie far from zero, and the second is constant.
void matches(const Configuration& configuration) {
  int i = 0;
  for (const Case& c : kCases) {
    const Values x = randomValues(configuration.type, c.x());
    Values filter = randomValues(configuration.type, c.filter()), bias;
    if (i++ % 2 == 0) {
      bias = randomValues(DataType::float32, {c.channelsOut});
      bias[0] = 300, bias[1] = -100.3;
      bias = inFloat32(bias);
      const auto taps = static_cast<std::int64_t>(filter.size()) / c.channelsOut;
      std::fill_n(filter.begin() + taps, taps, 0);
    }
    SumsReference expected(c.y());
    for (std::size_t k = 0; k < expected.sums.size() && !bias.empty(); ++k)
      expected.add(static_cast<std::int64_t>(k), bias[k % bias.size()]);
    eachProduct(c, [&](std::int64_t from, std::int64_t tap, std::int64_t to) {
      expected.add(to, x[from] * filter[tap]);
    });
    OpRunner runner = runnerOf(configuration, c, x, filter, bias);
    const std::vector<Values> results = withMoments(runner, c).run(configuration);
    try {
      // Winograd's: see conv2d-gradients.test.cpp.
      expected.requireNear(results[0], std::max(configuration.tolerance(), 5e-5));
      MomentsReference(results[0], c.channelsOut).requireNear(results[1], results[2]);
    } catch (const std::exception& error) {
      throw std::runtime_error(c.describe() + error.what());
    }
  }
}

/// What is no number, or has overflown, shows in the moments of its range and in no other.
void notANumberStays(const Configuration& configuration) {
  const Case c{1, 10, 20, 5, 19, 1, 1, 0, 1, 1};
  for (const double wrong : {kNaN, kInfinity}) {
    Values x = randomValues(configuration.type, c.x());
    x[70 * c.channelsIn] = wrong;
    OpRunner runner = runnerOf(configuration, c, x, randomValues(configuration.type, c.filter()), {});
    const std::vector<Values> results = withMoments(runner, c).run(configuration);
    for (const Values& moments : {results[1], results[2]}) {
      for (std::size_t i = 0; i < moments.size(); ++i) {
        const bool isWrong = i / static_cast<std::size_t>(c.channelsOut) == 1;
        require(std::isfinite(moments[i]) != isWrong, "a moment is a number where y is none, or the reverse");
      }
    }
  }
}

/// Whatever of the moments nobody reads.
void momentsMayBeAbsent(const Configuration& configuration) {
  const Case c{1, 5, 20, 16, 19, 3, 1, 1, 1, 1};
  const Values x = randomValues(configuration.type, c.x()),
               filter = randomValues(configuration.type, c.filter());
  OpRunner whole = runnerOf(configuration, c, x, filter, {});
  const std::vector<Values> expected = withMoments(whole, c).run(configuration);
  for (int present = 0; present < 3; ++present) {
    OpRunner runner = runnerOf(configuration, c, x, filter, {});
    for (int output = 1; output <= 2; ++output)
      output == present ? runner.output(DataType::float32, momentsShape(c.y())) : runner.absentOutput();
    const std::vector<Values> results = runner.run(configuration);
    requireClose(results[0], expected[0], 0);
    if (present > 0) requireClose(results[1], expected[present], 0);
  }
}

}  // namespace

int main() {
  return runTests({
      {"conv2dMoments matches", matches},
      {"not a number stays", notANumberStays},
      {"moments may be absent", momentsMayBeAbsent},
  });
}

// softmax with its gradient, scaleBy and dotProduct against float64. exp errs by 2e-7 relatively, and a
// float32 sum of n terms by √n · 6e-8 of their magnitude: 1e-5 is enough for rows of a thousand channels.

#include <algorithm>

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

constexpr double kTolerance = 1e-5;

const std::vector<Shape> kShapes = {{1, 1, 1, 1},   {3, 5, 7, 19},  {2, 3, 3, 48},  {1, 17, 31, 3},
                                    {1, 3, 2, 512}, {2, 13, 9, 64}, {1, 4, 1, 1001}};

/// body(offset of the first channel, channels) for each pixel.
template <class Body>
void eachPixel(const Shape& shape, const Body& body) {
  for (std::int64_t first = 0; first < elementsOf(shape); first += shape[3]) body(first, shape[3]);
}

Values softmaxOverChannels(const Values& x, const Shape& shape, double scale) {
  Values y(x.size());
  eachPixel(shape, [&](std::int64_t first, std::int64_t channels) {
    double most = -kInfinity, sum = 0;
    for (std::int64_t i = first; i < first + channels; ++i) most = std::max(most, scale * x[i]);
    for (std::int64_t i = first; i < first + channels; ++i) sum += y[i] = std::exp(scale * x[i] - most);
    for (std::int64_t i = first; i < first + channels; ++i) y[i] /= sum;
  });
  return y;
}

Values runSoftmax(const Configuration& c, const Shape& shape, const Values& x, float scale, bool inPlace) {
  OpRunner runner(Opcode::softmax, SoftmaxAttributes{scale});
  runner.input(c.type, shape, x, c.gap);
  inPlace ? runner.outputInPlaceOf(0) : runner.output(DataType::float32, shape, 2 * c.gap);
  return runner.run(c)[0];
}

void softmaxMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const float scale : {1.0f, -0.25f}) {
      const Values x = randomValues(c.type, shape, 6), expected = softmaxOverChannels(x, shape, scale);
      requireClose(runSoftmax(c, shape, x, scale, false), expected, kTolerance);
      if (c.type == DataType::float32)
        requireClose(runSoftmax(c, shape, x, scale, true), expected, kTolerance);
    }
  }
}

void softmaxTakesExtremes(const Configuration& c) {
  const Shape shape{1, 2, 3, 21};
  Values x = randomValues(c.type, shape);
  for (std::int64_t i = 0; i < 21; ++i) {
    x[i] = rounded(c.type, i % 2 ? 1e30 : -1e30);               // several winners
    x[21 + i] = i == 20 ? rounded(c.type, -1e30) : -kInfinity;  // one that is there, in the last lanes
    x[42 + i] = i < 18 ? -kInfinity : 0;
    x[63 + i] = -kInfinity;  // nothing is there: NaN, as elsewhere
  }
  x[84] = kNaN;
  x[105] = kInfinity;
  Values expected = softmaxOverChannels(x, shape, 1);
  std::fill(expected.begin() + 63, expected.end(), kNaN);
  requireClose(runSoftmax(c, shape, x, 1, false), expected, kTolerance);
}

void softmaxGradientMatches(const Configuration& c) {
  if (c.type != DataType::float32) return;
  const float scale = -0.75f;
  for (const Shape& shape : kShapes) {
    // Shares without a winner: where one has nearly all, dy − mean is what rounding left of it.
    Values y = softmaxOverChannels(randomValues(c.type, shape, 0.5), shape, 1);
    for (double& value : y) value = rounded(c.type, value);
    const Values dy = randomValues(c.type, shape);
    Values expected(y.size());
    eachPixel(shape, [&](std::int64_t first, std::int64_t channels) {
      double mean = 0;
      for (std::int64_t i = first; i < first + channels; ++i) mean += y[i] * dy[i];
      for (std::int64_t i = first; i < first + channels; ++i) expected[i] = scale * y[i] * (dy[i] - mean);
    });
    for (const bool inPlace : {false, true}) {
      OpRunner runner(Opcode::softmaxGradient, SoftmaxGradientAttributes{scale});
      runner.input(c.type, shape, y, c.gap).input(c.type, shape, dy, 2 * c.gap);
      inPlace ? runner.outputInPlaceOf(1) : runner.output(c.type, shape, c.gap);
      requireClose(runner.run(c)[0], expected, kTolerance);
    }
  }
}

void scaleByMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    const Values x = randomValues(c.type, shape, 3), factor = randomValues(DataType::float32, {1});
    Values expected;
    for (const double value : x) expected.push_back(rounded(c.type, value * factor[0]));
    for (const bool inPlace : {false, true}) {
      OpRunner runner(Opcode::scaleBy, ScaleByAttributes{});
      runner.input(c.type, shape, x, c.gap).input(DataType::float32, {1}, factor);
      inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, 2 * c.gap);
      requireClose(runner.run(c)[0], expected, c.tolerance());
    }
  }
}

Values runDotProduct(const Configuration& c, const Shape& shape, const Values& a, const Values& b,
                     int threads) {
  OpRunner runner(Opcode::dotProduct, DotProductAttributes{});
  runner.input(c.type, shape, a, c.gap).input(c.type, shape, b, 2 * c.gap);
  return runner.output(DataType::float32, {1}).run(c.withThreads(threads))[0];
}

/// Products of float32 are exact in float64: all that is rounded is the result.
void dotProductMatches(const Configuration& c) {
  std::vector<Shape> shapes = kShapes;
  shapes.push_back({2, 61, 37, 70});
  for (const Shape& shape : shapes) {
    const Values a = randomValues(c.type, shape), b = randomValues(c.type, shape);
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    const Values one = runDotProduct(c, shape, a, b, 1);
    requireClose(one, {sum}, 1e-6);
    requireClose(runDotProduct(c, shape, a, b, 3), one, 0);
  }
}

/// What float32 sums would lose.
void dotProductKeepsSmallTerms(const Configuration& c) {
  const Shape shape{1, 40, 40, 33};
  Values a(elementsOf(shape), 1), b(elementsOf(shape), 1);
  a[0] = c.type == DataType::float16 ? 0x1p15 : 0x1p40;  // which has no larger power of two
  a.back() = -a[0];
  requireClose(runDotProduct(c, shape, a, b, c.threads), {static_cast<double>(elementsOf(shape) - 2)}, 1e-6);
}

}  // namespace

int main() {
  return runTests({
      {"softmax matches", softmaxMatches},
      {"softmax takes extremes", softmaxTakesExtremes},
      {"softmaxGradient matches", softmaxGradientMatches},
      {"scaleBy matches", scaleByMatches},
      {"dotProduct matches", dotProductMatches},
      {"dotProduct keeps small terms", dotProductKeepsSmallTerms},
  });
}

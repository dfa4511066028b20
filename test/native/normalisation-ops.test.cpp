// Batch normalisation in training, its gradients, the activations' gradients and sums per channel, against
// float64. Sums over n float32 terms of size s in blocks of 256 lose at most 256 · 2⁻²⁴ · s of each
// term, 1.5e-5 where all errors agreed and about 1e-6 where they do not: the tolerance of 1e-5 stands.

#include "moments-reference.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

const std::vector<Shape> kShapes = {{1, 1, 2, 1},   {3, 5, 7, 19},   {2, 3, 3, 48},
                                    {2, 37, 31, 3}, {2, 19, 1, 130}, {1, 29, 20, 70}};
constexpr float kEpsilon = 1e-5f, kMomentum = 0.1f;

double derivative(double z, Activation activation) {
  switch (activation) {
    case Activation::none:
      return 1;
    case Activation::relu:
      return z > 0 ? 1 : 0;
    case Activation::relu6:
      return z > 0 && z < 6 ? 1 : 0;
    case Activation::leakyRelu:
      return z > 0 ? 1 : static_cast<double>(kSlope);
  }
  return 0;
}

/// Of each channel, from values (pixels, channels).
struct Statistics {
  Values mean, variance;

  Statistics(const Values& x, std::int64_t channels) : mean(channels, 0), variance(channels, 0) {
    const double share = static_cast<double>(channels) / static_cast<double>(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] * share;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double distance = x[i] - mean[i % channels];
      variance[i % channels] += distance * distance * share;
    }
  }
};

struct Operands {
  Values x, weight, bias, runningMean, runningVariance, residual;
  Values counted;  // whose moments are given, in place of x's own
};

Operands operands(DataType type, const Shape& shape, double mean, double deviation) {
  Operands o;
  o.x = randomValues(type, shape, deviation);
  for (double& value : o.x) value = rounded(type, value + mean);
  o.weight = randomValues(DataType::float32, {shape[3]});
  o.bias = randomValues(DataType::float32, {shape[3]});
  o.runningMean = randomValues(DataType::float32, {shape[3]});
  o.runningVariance = randomValues(DataType::float32, {shape[3]});
  for (double& value : o.runningVariance) value = rounded(DataType::float32, value * value + 0.1);
  o.residual = randomValues(type, shape);
  return o;
}

struct Case {
  Activation activation = Activation::none;
  bool frozen = false, residual = false, inPlace = false;
};

/// The outputs in the order of the spec.
std::vector<Values> runForward(const Configuration& c, const Shape& shape, const Operands& o, const Case& k) {
  OpRunner runner(Opcode::batchNormTraining, BatchNormTrainingAttributes{kEpsilon, kMomentum, k.frozen, false,
                                                                         false, k.activation, kSlope});
  const Shape vector{shape[3]};
  runner.input(c.type, shape, o.x, c.gap)
      .input(DataType::float32, vector, o.weight)
      .input(DataType::float32, vector, o.bias)
      .input(DataType::float32, vector, o.runningMean)
      .input(DataType::float32, vector, o.runningVariance);
  k.residual ? runner.input(c.type, shape, o.residual, 2 * c.gap) : runner.absentInput();
  if (o.counted.empty()) {
    runner.absentInput().absentInput();
  } else {
    const MomentsReference moments(o.counted, shape[3]);
    runner.input(DataType::float32, momentsShape(shape), inFloat32(moments.means))
        .input(DataType::float32, momentsShape(shape), inFloat32(moments.squares));
  }
  k.inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, 3 * c.gap);
  runner.output(DataType::float32, vector).output(DataType::float32, vector);
  runner.outputInPlaceOf(3).outputInPlaceOf(4);
  return runner.run(c);
}

/// Means count by how far they move x̂: they may be off by a part of themselves, or of the deviation.
void requireMeans(const Values& means, const Values& expected, const Values& inverseDeviation) {
  for (std::size_t i = 0; i < means.size(); ++i) {
    const double error = std::abs(means[i] - expected[i]);
    require(error <= 1e-5 * std::max(std::abs(expected[i]), 1 / inverseDeviation[i]),
            "a mean of " + std::to_string(expected[i]) + " is off by " + std::to_string(error));
  }
}

void expectForward(const Configuration& c, const Shape& shape, const Operands& o, const Case& k,
                   double tolerance, double varianceTolerance = 1e-5) {
  const std::int64_t channels = shape[3];
  const auto n = static_cast<double>(o.x.size() / channels);
  const Statistics batch(o.counted.empty() ? o.x : o.counted, channels);
  const Values& mean = k.frozen ? o.runningMean : batch.mean;
  const Values& variance = k.frozen ? o.runningVariance : batch.variance;
  Values y, inverseDeviation, newMean, newVariance;
  for (std::int64_t i = 0; i < channels; ++i) {
    inverseDeviation.push_back(1 / std::sqrt(variance[i] + static_cast<double>(kEpsilon)));
    const double part = k.frozen ? 0 : static_cast<double>(kMomentum);
    newMean.push_back((1 - part) * o.runningMean[i] + part * mean[i]);
    newVariance.push_back((1 - part) * o.runningVariance[i] + part * variance[i] * n / std::max(n - 1, 1.0));
  }
  for (std::size_t i = 0; i < o.x.size(); ++i) {
    const std::size_t channel = i % channels;
    const double z = (o.x[i] - mean[channel]) * inverseDeviation[channel] * o.weight[channel] +
                     o.bias[channel] + (k.residual ? o.residual[i] : 0);
    y.push_back(rounded(c.type, activated(z, k.activation, kSlope)));
  }
  const std::vector<Values> results = runForward(c, shape, o, k);
  requireClose(results[0], y, std::max(tolerance, c.tolerance()));
  requireMeans(results[1], mean, inverseDeviation);
  requireClose(results[2], inverseDeviation, varianceTolerance);
  if (k.frozen) requireClose(results[3], newMean, 0);
  requireMeans(results[3], newMean, inverseDeviation);
  requireClose(results[4], newVariance, k.frozen ? 0 : varianceTolerance);
}

void forwardMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const Activation activation : kActivations) {
      for (int bits = 0; bits < 8; ++bits) {
        const Case k{activation, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
        expectForward(c, shape, operands(c.type, shape, 0.5, 2), k, 1e-5);
      }
    }
  }
}

/// The mean is given and used in float32, up to half a unit in its last place away: x̂ may be off by that, and
/// y by the weight, here below 4, times as much.
void largeMeansAreExact(const Configuration& c) {
  if (c.type != DataType::float32) return;
  for (const auto& [mean, deviation] : {std::pair{1e3, 1.0}, {-1e4, 0.5}, {1e5, 3.0}}) {
    const Shape shape{2, 27, 13, 21};
    expectForward(c, shape, operands(c.type, shape, mean, deviation), {},
                  1e-5 + 4 * std::abs(mean) * std::ldexp(1, -24) / deviation);
  }
}

void outliersLeaveTheRest(const Configuration& c) {
  if (c.type != DataType::float32) return;
  const Shape shape{1, 30, 20, 17};
  for (const std::size_t at : {std::size_t{0}, std::size_t{17 * 300}}) {
    Operands o = operands(c.type, shape, 0, 1);
    for (std::size_t i = 0; i < 17; ++i) o.x[at + i] = 3e4;
    // Of the sum of squares, one term of 256 in its block is nearly all: each other addition rounds by it.
    expectForward(c, shape, o, {}, 3e-5);
  }
}

void onePixelHasNoVariance(const Configuration& c) {
  const Shape shape{1, 1, 1, 5};
  expectForward(c, shape, operands(c.type, shape, 3, 1), {}, 1e-5);
}

/// Those of other values than x's, so that they must have been used: of one pixel, of whole ranges, of a last
/// one that is shorter.
void momentsAreTaken(const Configuration& c) {
  const Case cases[] = {{Activation::none, false, false, false},
                        {Activation::relu, false, true, false},
                        {Activation::leakyRelu, false, false, true},
                        {Activation::relu6, false, true, true}};
  int i = 0;
  for (const Shape& shape : {Shape{1, 1, 1, 5}, Shape{1, 8, 8, 19}, Shape{1, 1, 65, 3}, Shape{2, 8, 12, 40},
                             Shape{2, 13, 7, 130}}) {
    Operands o = operands(c.type, shape, 0.5, 2);
    o.counted = operands(c.type, shape, -1, 3).x;
    expectForward(c, shape, o, cases[i++ % 4], 1e-5);
  }
}

/// The means are float32, off by up to δ = |mean| · 2⁻²⁴: as for x̂, and squared distances are measured from
/// there, which moves the variance by up to 2δ / deviation of itself.
void largeMomentsAreTaken(const Configuration& c) {
  if (c.type != DataType::float32) return;
  for (const auto& [mean, deviation] : {std::pair{1e3, 1.0}, {-1e4, 0.5}, {1e5, 3.0}}) {
    const Shape shape{2, 27, 13, 21};
    Operands o = operands(c.type, shape, mean, deviation);
    o.counted = o.x;
    const double offset = std::abs(mean) * std::ldexp(1, -24) / deviation;
    expectForward(c, shape, o, {}, 1e-5 + 4 * offset, 1e-5 + 2 * offset);
  }
}

void threadsChangeNothing(const Configuration& c) {
  const Shape shape{1, 61, 33, 20};
  Operands o = operands(c.type, shape, 1, 1);
  Configuration one = c, three = c;
  one.threads = 1, three.threads = 3;
  for (const bool moments : {false, true}) {
    if (moments) o.counted = o.x;
    const auto first = runForward(one, shape, o, {}), second = runForward(three, shape, o, {});
    for (std::size_t i = 0; i < first.size(); ++i) requireClose(first[i], second[i], 0);
  }
}

enum class Known { x, y, xAndY };

struct BackwardCase {
  Activation activation;
  Known known;
  bool frozen, inPlace, residual;
};

void expectBackward(const Configuration& c, const Shape& shape, const BackwardCase& k, Values weight) {
  const std::int64_t channels = shape[3];
  Operands o = operands(c.type, shape, 0.3, 2);
  if (!weight.empty()) o.weight = std::move(weight);
  const Statistics batch(o.x, channels);
  Values mean, inverseDeviation;
  for (std::int64_t i = 0; i < channels; ++i) {
    mean.push_back(rounded(DataType::float32, batch.mean[i]));
    inverseDeviation.push_back(rounded(DataType::float32, 1 / std::sqrt(batch.variance[i] + 1e-5)));
  }
  const Values dy = randomValues(c.type, shape);
  const auto n = static_cast<double>(o.x.size() / channels);

  Values y, normal, gradient, dWeight(channels, 0), dBias(channels, 0);
  Values magnitude(channels, 0), weighted(channels, 0);
  for (std::size_t i = 0; i < o.x.size(); ++i) {
    const std::size_t channel = i % channels;
    double xHat = (o.x[i] - mean[channel]) * inverseDeviation[channel];
    const double z = xHat * o.weight[channel] + o.bias[channel] + (k.residual ? o.residual[i] : 0);
    // What bfloat16 keeps of y is all that can be recovered from it.
    y.push_back(rounded(c.type, activated(z, k.activation, kSlope)));
    if (k.known == Known::y) {
      const double slope =
          k.activation == Activation::leakyRelu && y[i] < 0 ? static_cast<double>(kSlope) : 1;
      xHat = o.weight[channel] == 0 ? 0 : (y[i] / slope - o.bias[channel]) / o.weight[channel];
    }
    normal.push_back(xHat);
    gradient.push_back(dy[i] * derivative(k.known == Known::x ? z : y[i], k.activation));
    dBias[channel] += gradient[i];
    dWeight[channel] += gradient[i] * xHat;
    magnitude[channel] += std::abs(gradient[i]);
    weighted[channel] += std::abs(gradient[i] * xHat);
  }
  Values dx, terms;
  for (std::size_t i = 0; i < o.x.size(); ++i) {
    const std::size_t channel = i % channels;
    const double factor = o.weight[channel] * inverseDeviation[channel];
    terms.push_back(std::abs(factor) * (std::abs(gradient[i]) +
                                        (magnitude[channel] + std::abs(normal[i]) * weighted[channel]) / n));
    const double kept = k.frozen ? 0 : (dBias[channel] + normal[i] * dWeight[channel]) / n;
    dx.push_back(factor * (gradient[i] - kept));
  }

  OpRunner runner(Opcode::batchNormGradient,
                  BatchNormGradientAttributes{k.frozen, false, k.activation, kSlope});
  const Shape vector{channels};
  runner.input(c.type, shape, dy, c.gap)
      .input(DataType::float32, vector, o.weight)
      .input(DataType::float32, vector, o.bias)
      .input(DataType::float32, vector, mean)
      .input(DataType::float32, vector, inverseDeviation);
  k.known == Known::y ? runner.absentInput() : runner.input(c.type, shape, o.x, 2 * c.gap);
  k.known == Known::x ? runner.absentInput() : runner.input(c.type, shape, y, 3 * c.gap);
  k.inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, c.gap);
  runner.output(DataType::float32, vector).output(DataType::float32, vector);
  k.residual ? runner.output(c.type, shape, 4 * c.gap) : runner.absentOutput();
  const std::vector<Values> results = runner.run(c);
  // Recovered from y, x̂ has the rounding of y and of the bias, divided by the weight, which may be small.
  const double tolerance = k.known == Known::y ? 1e-4 : 1e-5;
  // The terms of dx cancel, all of them where there are two pixels. Subnormal numbers of float16 are rounded
  // by half of the least one.
  const double subnormal = c.type == DataType::float16 ? 0x1p-25 : 0;
  for (std::size_t i = 0; i < dx.size(); ++i) {
    const double bound = std::max(tolerance, c.tolerance()) * (terms[i] + 1e-6) + subnormal;
    require(std::abs(results[0][i] - dx[i]) <= bound, "dx differs");
  }
  // Sums of positive and negative terms: relative to the sum of their magnitudes.
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    require(std::abs(results[1][channel] - dWeight[channel]) <= tolerance * (weighted[channel] + 1),
            "dWeight differs");
    require(std::abs(results[2][channel] - dBias[channel]) <= tolerance * (magnitude[channel] + 1),
            "dBias differs");
  }
  if (k.residual) requireClose(results[3], gradient, c.type == DataType::float32 ? 1e-6 : c.tolerance());
}

void backwardMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const Activation activation : kActivations) {
      for (const bool frozen : {false, true}) {
        for (const bool inPlace : {false, true}) {
          expectBackward(c, shape, {activation, Known::x, frozen, inPlace, false}, {});
          expectBackward(c, shape, {activation, Known::xAndY, frozen, inPlace, true}, {});
        }
      }
    }
  }
}

/// Weights away from zero, and zeros, through which nothing comes back.
void inputsAreRecovered(const Configuration& c) {
  if (c.type != DataType::float32) return;
  for (const Shape& shape : kShapes) {
    Values weight;
    for (std::int64_t i = 0; i < shape[3]; ++i) weight.push_back(i % 5 == 3 ? 0 : i % 2 == 0 ? 0.75 : -1.25);
    for (const Activation activation : {Activation::none, Activation::leakyRelu}) {
      for (const bool frozen : {false, true}) {
        expectBackward(c, shape, {activation, Known::y, frozen, true, false}, weight);
      }
    }
  }
}

void weightsOfZeroGiveNumbers(const Configuration& c) {
  const Shape shape{1, 2, 3, 4};
  const Values zeros(4, 0), ones(4, 1), y(24, 2);
  OpRunner runner(Opcode::batchNormGradient,
                  BatchNormGradientAttributes{false, false, Activation::leakyRelu, kSlope});
  runner.input(c.type, shape, y).input(DataType::float32, {4}, {0, 1e-45, -1e-45, 0});
  runner.input(DataType::float32, {4}, ones).input(DataType::float32, {4}, zeros);
  runner.input(DataType::float32, {4}, ones).absentInput().input(c.type, shape, y);
  runner.output(c.type, shape).output(DataType::float32, {4}).output(DataType::float32, {4}).absentOutput();
  const std::vector<Values> results = runner.run(c);
  requireClose(results[1], zeros, 0);
  for (const double value : results[0]) require(std::isfinite(value), "expected finite dx");
}

/// A plan without a group has no others to meet; with statistics that are frozen nobody meets.
void meetingsNeedAGroup(const Configuration& c) {
  if (c.processor != Processor::cuda) return;
  const auto run = [&](bool frozen) {
    OpRunner runner(Opcode::batchNormTraining, BatchNormTrainingAttributes{kEpsilon, kMomentum, frozen, true,
                                                                           false, Activation::none, 0});
    runner.input(c.type, {1, 1, 2, 1}, {1, 3});
    for (int i = 0; i < 4; ++i) runner.input(DataType::float32, {1}, {1});
    runner.absentInput().absentInput().absentInput().output(c.type, {1, 1, 2, 1});
    for (int i = 0; i < 4; ++i) runner.absentOutput();
    runner.run(c);
  };
  run(true);
  try {
    run(false);
  } catch (const Error& error) {
    return require(error.code() == std::string("INVALID_ARGUMENT"), "refused with another code");
  }
  throw std::runtime_error("was not refused");
}

void activateGradientMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const Activation activation : kActivations) {
      const Values dy = randomValues(c.type, shape, 2);
      Values y, dx;
      for (const double value : randomValues(c.type, shape, 5))
        y.push_back(rounded(c.type, activated(value, activation, kSlope)));
      y[0] = 0;
      for (std::size_t i = 0; i < y.size(); ++i)
        dx.push_back(rounded(c.type, dy[i] * derivative(y[i], activation)));
      for (const bool inPlace : {false, true}) {
        OpRunner runner(Opcode::activateGradient, ActivateGradientAttributes{activation, kSlope});
        runner.input(c.type, shape, dy, c.gap).input(c.type, shape, y, 2 * c.gap);
        inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, 3 * c.gap);
        requireClose(runner.run(c)[0], dx, c.tolerance());
      }
    }
  }
}

void channelSumsMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const bool product : {false, true}) {
      // Sums without cancellation, so that the tolerance is relative to their terms.
      Values x = randomValues(c.type, shape), other = randomValues(c.type, shape);
      for (double& value : x) value = std::abs(value);
      for (double& value : other) value = std::abs(value);
      Values sums(shape[3], 0);
      for (std::size_t i = 0; i < x.size(); ++i) sums[i % shape[3]] += x[i] * (product ? other[i] : 1);
      OpRunner runner(Opcode::channelSums, ChannelSumsAttributes{});
      runner.input(c.type, shape, x, c.gap);
      product ? runner.input(c.type, shape, other, 2 * c.gap) : runner.absentInput();
      runner.output(DataType::float32, {shape[3]});
      requireClose(runner.run(c)[0], sums, 1e-5);
    }
  }
}

}  // namespace

int main() {
  return runTests({
      {"batchNormTraining matches", forwardMatches},
      {"large means are exact", largeMeansAreExact},
      {"outliers leave the rest", outliersLeaveTheRest},
      {"one pixel has no variance", onePixelHasNoVariance},
      {"moments are taken", momentsAreTaken},
      {"large moments are taken", largeMomentsAreTaken},
      {"threads change nothing", threadsChangeNothing},
      {"batchNormGradient matches", backwardMatches},
      {"inputs are recovered", inputsAreRecovered},
      {"weights of zero give numbers", weightsOfZeroGiveNumbers},
      {"meetings need a group", meetingsNeedAGroup},
      {"activateGradient matches", activateGradientMatches},
      {"channelSums matches", channelSumsMatches},
  });
}

// Optimisers, gradient sums and moving averages against float64: a handful of float32 operations an element.

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

constexpr std::int64_t kSizes[] = {1, 7, 64, 1023, 40001};

Values vectorOf(std::int64_t count, double deviation = 1) {
  return randomValues(DataType::float32, {count}, deviation);
}

/// Within 1e-6 of the sum of the magnitudes, which three roundings of 2⁻²⁴ stay below.
void requireNear(const Values& values, const Values& expected, const Values& magnitudes) {
  require(values.size() == expected.size(), "has another number of elements");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::abs(values[i] - expected[i]) <= 1e-6 * magnitudes[i]) continue;
    throw std::runtime_error("element " + std::to_string(i) + ": expected " + std::to_string(expected[i]) +
                             ", received " + std::to_string(values[i]));
  }
}

/// A part of a vector, from the first of its elements.
struct Part {
  std::int64_t size, first, count;
  bool has(std::int64_t i) const { return i >= first && i < first + count; }
};

std::vector<Part> partsOf(std::int64_t size) {
  std::vector<Part> parts{{size, 0, size}};
  if (size > 5) parts.push_back({size, 3, size - 5});
  return parts;
}

void sgdMatches(const Configuration& c) {
  constexpr float kRate = 0.05f, kScale = 0.5f, kMomentum = 0.9f, kDecay = 5e-4f, kClip = 0.25f;
  for (const std::int64_t size : kSizes) {
    for (const Part& part : partsOf(size)) {
      for (int bits = 0; bits < 4; ++bits) {
        const bool nesterov = (bits & 1) != 0, clips = (bits & 2) != 0;
        const Values parameters = vectorOf(size), gradients = vectorOf(size), velocity = vectorOf(size);
        Values newParameters = parameters, newVelocity = velocity, magnitudes;
        for (std::int64_t i = 0; i < size; ++i) {
          const double g = gradients[i] * (clips ? kClip : 1) + kDecay * parameters[i];
          magnitudes.push_back(1 + std::abs(parameters[i]) + 2 * std::abs(gradients[i]) +
                               std::abs(velocity[i]));
          if (!part.has(i)) continue;
          newVelocity[i] = kMomentum * velocity[i] + g;
          newParameters[i] -= kScale * kRate * (nesterov ? g + kMomentum * newVelocity[i] : newVelocity[i]);
        }
        OpRunner runner(Opcode::sgd, SgdAttributes{static_cast<std::int32_t>(part.first),
                                                   static_cast<std::int32_t>(part.count), kScale, kMomentum,
                                                   nesterov, kDecay});
        runner.input(DataType::float32, {size}, parameters)
            .input(DataType::float32, {size}, gradients)
            .input(DataType::float32, {size}, velocity)
            .input(DataType::float32, {2}, {kRate, 3});
        clips ? runner.input(DataType::float32, {1}, {kClip}) : runner.absentInput();
        runner.outputInPlaceOf(0).outputInPlaceOf(2);
        const auto results = runner.run(c);
        requireNear(results[0], newParameters, magnitudes);
        requireNear(results[1], newVelocity, magnitudes);
      }
    }
  }
}

void adamWMatches(const Configuration& c) {
  constexpr double kRate = 1e-3, kBeta1 = 0.9, kBeta2 = 0.999, kDecay = 0.01, kEpsilon = 1e-8;
  for (const std::int64_t size : kSizes) {
    for (const Part& part : partsOf(size)) {
      for (const double time : {1.0, 2.0, 1000.0}) {
        const Values parameters = vectorOf(size), gradients = vectorOf(size), first = vectorOf(size);
        Values second = vectorOf(size);
        for (double& value : second) value = rounded(DataType::float32, value * value + 1e-3);
        second[0] = 0;
        Values newParameters = parameters, newFirst = first, newSecond = second, magnitudes;
        for (std::int64_t i = 0; i < size; ++i) {
          magnitudes.push_back(1 + std::abs(parameters[i]) + std::abs(first[i]) + std::abs(gradients[i]) +
                               second[i] + gradients[i] * gradients[i]);
          if (!part.has(i)) continue;
          newFirst[i] = kBeta1 * first[i] + (1 - kBeta1) * gradients[i];
          newSecond[i] = kBeta2 * second[i] + (1 - kBeta2) * gradients[i] * gradients[i];
          const double mean = newFirst[i] / (1 - std::pow(kBeta1, time)),
                       square = newSecond[i] / (1 - std::pow(kBeta2, time));
          const double step = kRate * mean / (std::sqrt(square) + kEpsilon);
          newParameters[i] = (1 - kRate * kDecay) * parameters[i] - step;
          magnitudes[i] += std::abs(step);
        }
        OpRunner runner(
            Opcode::adamW,
            AdamWAttributes{static_cast<std::int32_t>(part.first), static_cast<std::int32_t>(part.count), 1,
                            static_cast<float>(kBeta1), static_cast<float>(kBeta2),
                            static_cast<float>(kEpsilon), static_cast<float>(kDecay)});
        runner.input(DataType::float32, {size}, parameters)
            .input(DataType::float32, {size}, gradients)
            .input(DataType::float32, {size}, first)
            .input(DataType::float32, {size}, second)
            .input(DataType::float32, {2}, {kRate, time})
            .absentInput()
            .outputInPlaceOf(0)
            .outputInPlaceOf(2)
            .outputInPlaceOf(3);
        const auto results = runner.run(c);
        requireNear(results[0], newParameters, magnitudes);
        requireNear(results[1], newFirst, magnitudes);
        requireNear(results[2], newSecond, magnitudes);
      }
    }
  }
}

void globalNormMatches(const Configuration& c) {
  for (const std::int64_t size : kSizes) {
    for (const float maximum : {0.0f, 0.5f, 1e9f}) {
      // Squares of these overflow float32.
      for (const double deviation : {1.0, 1e25}) {
        const Values x = vectorOf(size, deviation);
        double sum = 0;
        for (const double value : x) sum += value * value;
        const double norm = std::sqrt(sum);
        OpRunner runner(Opcode::globalNorm, GlobalNormAttributes{maximum});
        runner.input(DataType::float32, {size}, x)
            .absentInput()
            .output(DataType::float32, {1})
            .output(DataType::float32, {1});
        const auto results = runner.run(c);
        requireClose(results[0], {norm}, 1e-7);
        requireClose(results[1],
                     {maximum == 0 ? 1 : std::min(1.0, static_cast<double>(maximum) / (norm + 1e-6))}, 1e-7);
      }
    }
  }
}

void overflowIsToldByTheFactor(const Configuration& c) {
  for (const double wrong : {kNaN, kInfinity}) {
    Values x(100, 1);
    x[50] = wrong;
    OpRunner runner(Opcode::globalNorm, GlobalNormAttributes{1});
    runner.input(DataType::float32, {100}, x)
        .absentInput()
        .output(DataType::float32, {1})
        .output(DataType::float32, {1});
    const auto results = runner.run(c);
    require(!std::isfinite(results[0][0]) && std::isnan(results[1][0]), "expected no number, and NaN");
  }
}

void scaledNormsMatch(const Configuration& c) {
  const auto run = [&](const Values& x, double scale, float maximum) {
    OpRunner runner(Opcode::globalNorm, GlobalNormAttributes{maximum});
    runner.input(DataType::float32, {3}, x)
        .input(DataType::float32, {1}, {scale})
        .output(DataType::float32, {1})
        .output(DataType::float32, {1});
    return runner.run(c);
  };
  const auto clipped = run({512, 0, -1024}, 1.0 / 256, 1), whole = run({512, 0, -1024}, 1.0 / 256, 0);
  requireClose(clipped[0], {std::sqrt(20.0)}, 1e-7);
  requireClose(clipped[1], {1 / (std::sqrt(20.0) + 1e-6) / 256}, 1e-7);
  requireClose(whole[1], {1.0 / 256}, 0);
  const auto skipped = run({1, kInfinity, kNaN}, 0, 1);
  require(std::isnan(skipped[0][0]) && skipped[1][0] == 0, "expected NaN, and a factor of 0");
}

/// One step of dynamic loss scaling: the new state, gradientScale, scale.
std::vector<Values> adjust(const Configuration& c, const Values& gradients, double scale, double steps,
                           std::int32_t interval) {
  OpRunner runner(Opcode::adjustLossScale, AdjustLossScaleAttributes{interval});
  runner.input(DataType::float32, {static_cast<std::int64_t>(gradients.size())}, gradients)
      .input(DataType::float32, {2}, {scale, steps})
      .outputInPlaceOf(1)
      .output(DataType::float32, {1})
      .output(DataType::float32, {1});
  return runner.run(c);
}

void lossScaleFollowsOverflows(const Configuration& c) {
  const auto expect = [](const std::vector<Values>& results, const Values& state, double gradientScale,
                         double scale) {
    requireClose(results[0], state, 0);
    requireClose(results[1], {gradientScale}, 0);
    requireClose(results[2], {scale}, 0);
  };
  for (const std::int64_t size : kSizes) {
    Values gradients = vectorOf(size, 1e37);  // squares overflow float32
    expect(adjust(c, gradients, 1024, 3, 5), {1024, 4}, 1.0 / 1024, 1024);
    expect(adjust(c, gradients, 1024, 4, 5), {2048, 0}, 1.0 / 1024, 1024);
    for (const double bad : {kInfinity, -kInfinity, kNaN}) {
      for (const std::int64_t place : {std::int64_t{0}, size / 2, size - 1}) {
        const double good = std::exchange(gradients[place], bad);
        expect(adjust(c, gradients, 1024, 4, 5), {512, 0}, 0, 1024);
        gradients[place] = good;
      }
    }
  }
  // The scale stays what float32 has an inverse for.
  expect(adjust(c, {1}, 0x1p126, 0, 1), {0x1p126, 0}, 0x1p-126, 0x1p126);
  expect(adjust(c, {kNaN}, 0x1p-126, 0, 1), {0x1p-126, 0}, 0, 0x1p-126);
}

/// Whether the new state lies where the old did or elsewhere.
void skippedStepsChangeNothing(const Configuration& c) {
  constexpr std::int64_t kSize = 37;
  const Values bad(kSize, kNaN);
  const Values state[] = {vectorOf(kSize), vectorOf(kSize), vectorOf(kSize)};
  for (const bool inPlace : {false, true}) {
    OpRunner sgd(Opcode::sgd, SgdAttributes{3, 30, 1, 0.9f, false, 0.1f});
    OpRunner adamW(Opcode::adamW, AdamWAttributes{3, 30, 1, 0.9f, 0.999f, 1e-8f, 0.1f});
    for (OpRunner* const runner : {&sgd, &adamW}) {
      runner->input(DataType::float32, {kSize}, state[0]).input(DataType::float32, {kSize}, bad);
      const std::size_t moments = runner == &sgd ? 1 : 2;
      for (std::size_t i = 1; i <= moments; ++i) runner->input(DataType::float32, {kSize}, state[i]);
      runner->input(DataType::float32, {2}, {0.1, 3}).input(DataType::float32, {1}, {0});
      for (std::size_t i = 0; i <= moments; ++i) {
        inPlace ? runner->outputInPlaceOf(i == 0 ? 0 : i + 1) : runner->output(DataType::float32, {kSize});
      }
      const auto results = runner->run(c);
      for (std::size_t i = 0; i <= moments; ++i) requireClose(results[i], state[i], 0);
    }
    OpRunner average(Opcode::movingAverage, MovingAverageAttributes{0.9f, true});
    average.input(DataType::float32, {kSize}, state[0])
        .input(DataType::float32, {kSize}, bad)
        .input(DataType::float32, {2}, {0.1, 3})
        .input(DataType::float32, {1}, {0});
    inPlace ? average.outputInPlaceOf(0) : average.output(DataType::float32, {kSize});
    requireClose(average.run(c)[0], state[0], 0);
  }
}

void accumulateMatches(const Configuration& c) {
  for (const std::int64_t size : kSizes) {
    for (const double keep : {0.0, 1.0, 0.5}) {
      // With nothing to keep, the old total is not even a number.
      const Values part = vectorOf(size), total = keep == 0 ? Values(size, kNaN) : vectorOf(size);
      Values sum;
      for (std::int64_t i = 0; i < size; ++i)
        sum.push_back((keep == 0 ? 0 : keep * total[i]) + 0.25 * part[i]);
      OpRunner runner(Opcode::accumulate, AccumulateAttributes{});
      runner.input(DataType::float32, {size}, total)
          .input(DataType::float32, {size}, part)
          .input(DataType::float32, {2}, {keep, 0.25})
          .outputInPlaceOf(0);
      requireClose(runner.run(c)[0], sum, 1e-6);
    }
  }
}

void movingAverageMatches(const Configuration& c) {
  for (const std::int64_t size : kSizes) {
    for (const bool warmUp : {false, true}) {
      for (const double time : {1.0, 100.0, 1e6}) {
        const Values average(size, 0), values = vectorOf(size);
        const double decay = warmUp ? std::min(0.9999, (1 + time) / (10 + time)) : 0.9999;
        Values expected;
        for (const double value : values) expected.push_back((1 - decay) * value);
        OpRunner runner(Opcode::movingAverage, MovingAverageAttributes{0.9999f, warmUp});
        runner.input(DataType::float32, {size}, average)
            .input(DataType::float32, {size}, values)
            .input(DataType::float32, {2}, {0, time})
            .absentInput()
            .outputInPlaceOf(0);
        requireClose(runner.run(c)[0], expected, 1e-6);
      }
    }
  }
}

/// Flat vectors have neither bfloat16 nor gaps: each test runs once for each instruction set and number of
/// threads, or each schedule.
template <class F>
std::function<void(const Configuration&)> once(F test) {
  return [test](const Configuration& c) {
    if (c.type == DataType::float32 && (c.gap == 0 || c.processor == Processor::cuda)) test(c);
  };
}

}  // namespace

int main() {
  return runTests({
      {"sgd matches", once(sgdMatches)},
      {"adamW matches", once(adamWMatches)},
      {"globalNorm matches", once(globalNormMatches)},
      {"overflow is told by the factor", once(overflowIsToldByTheFactor)},
      {"norms of scaled gradients match", once(scaledNormsMatch)},
      {"the loss scale follows overflows", once(lossScaleFollowsOverflows)},
      {"skipped steps change nothing", once(skippedStepsChangeNothing)},
      {"accumulate matches", once(accumulateMatches)},
      {"movingAverage matches", once(movingAverageMatches)},
  });
}

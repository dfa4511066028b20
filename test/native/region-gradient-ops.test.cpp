// distributeRegions, scoreRegions and the gradients of spatialSoftmax and attendRegions against float64. The
// tolerance is relative to the results' mean magnitude: a float32 sum of n terms errs by √n · 6e-8 of it, or
// 6e-6 for the 8000 pixels here if all rounding went one way along a chain of 64, the longest.

#include <algorithm>

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

struct Size {
  std::int64_t batch, height, width, classes, depth, channels;

  std::int64_t pixels() const { return height * width; }
  std::int64_t allPixels() const { return batch * pixels(); }
  Shape image(std::int64_t columns) const { return {batch, height, width, columns}; }
  Shape vectors(std::int64_t columns) const { return {batch, classes, 1, columns}; }
};

const Size kSizes[] = {{1, 1, 1, 1, 16, 1},    {3, 5, 7, 19, 64, 70},   {2, 31, 23, 2, 32, 48},
                       {1, 40, 30, 60, 17, 9}, {1, 3, 4, 171, 130, 33}, {2, 60, 30, 21, 16, 130}};
constexpr double kTolerance = 1e-5;

/// On the CPU gradients compute in float32 alone: its configurations of bfloat16 have nothing to test.
bool skips(const Configuration& c) { return c.processor == Processor::cpu && c.type != DataType::float32; }

void distributeMatches(const Configuration& c) {
  for (const Size& s : kSizes) {
    const Values regions = randomValues(DataType::float32, s.image(s.classes));
    const Values vectors = randomValues(c.type, s.vectors(s.channels));
    Values expected;
    for (std::int64_t i = 0; i < s.allPixels(); ++i) {
      for (std::int64_t channel = 0; channel < s.channels; ++channel) {
        double sum = 0;
        for (std::int64_t k = 0; k < s.classes; ++k) {
          sum +=
              regions[i * s.classes + k] * vectors[(i / s.pixels() * s.classes + k) * s.channels + channel];
        }
        expected.push_back(rounded(c.type, sum));
      }
    }
    OpRunner runner(Opcode::distributeRegions, DistributeRegionsAttributes{});
    runner.input(DataType::float32, s.image(s.classes), regions)
        .input(c.type, s.vectors(s.channels), vectors)
        .output(c.type, s.image(s.channels), c.gap);
    requireClose(runner.run(c)[0], expected, c.tolerance());
  }
}

void scoreMatches(const Configuration& c) {
  for (const Size& s : kSizes) {
    const Values features = randomValues(c.type, s.image(s.channels));
    const Values vectors = randomValues(c.type, s.vectors(s.channels));
    Values expected;
    for (std::int64_t i = 0; i < s.allPixels(); ++i) {
      for (std::int64_t k = 0; k < s.classes; ++k) {
        double sum = 0;
        for (std::int64_t channel = 0; channel < s.channels; ++channel) {
          sum += features[i * s.channels + channel] *
                 vectors[(i / s.pixels() * s.classes + k) * s.channels + channel];
        }
        expected.push_back(sum);
      }
    }
    OpRunner runner(Opcode::scoreRegions, ScoreRegionsAttributes{});
    runner.input(c.type, s.image(s.channels), features, c.gap)
        .input(c.type, s.vectors(s.channels), vectors)
        .output(DataType::float32, s.image(s.classes));
    requireClose(runner.run(c)[0], expected, kTolerance);
  }
}

void refuseBFloat16(const Configuration& c) {
  if (c.processor != Processor::cpu || c.type != DataType::bfloat16) return;
  const auto requireRefused = [&](OpRunner& runner) {
    try {
      runner.run(c);
    } catch (const Error& error) {
      return require(error.code() == std::string("UNSUPPORTED"), "refused with another code");
    }
    throw std::runtime_error("was not refused");
  };
  OpRunner resize(Opcode::resizeBilinearGradient, ResizeBilinearGradientAttributes{1, 1, false});
  requireRefused(resize.input(c.type, {1, 1, 1, 1}, {1}).output(c.type, {1, 1, 1, 1}));
}

/// Σ over an image's pixels of values (N, H, W, K) by image and class, as (N, K).
Values sumsOverPixels(const Values& values, const Size& s) {
  Values sums(s.batch * s.classes);
  for (std::int64_t i = 0; i < s.allPixels(); ++i) {
    for (std::int64_t k = 0; k < s.classes; ++k)
      sums[i / s.pixels() * s.classes + k] += values[i * s.classes + k];
  }
  return sums;
}

Values runSpatialSoftmaxGradient(const Configuration& c, const Size& s, const Values& regions,
                                 const Values& dRegions, int threads, bool inPlace) {
  OpRunner runner(Opcode::spatialSoftmaxGradient, SpatialSoftmaxGradientAttributes{0.5f});
  runner.input(c.type, s.image(s.classes), regions).input(c.type, s.image(s.classes), dRegions);
  inPlace ? runner.outputInPlaceOf(1) : runner.output(c.type, s.image(s.classes));
  return runner.run(c.withThreads(threads))[0];
}

void spatialSoftmaxGradientMatches(const Configuration& c) {
  if (c.type != DataType::float32) return;  // as the spec has it
  for (const Size& s : kSizes) {
    Values regions = randomValues(c.type, s.image(s.classes));
    for (double& value : regions) value = rounded(c.type, std::abs(value) / s.pixels());
    const Values dRegions = randomValues(c.type, s.image(s.classes));
    Values products = regions;
    for (std::size_t i = 0; i < products.size(); ++i) products[i] *= dRegions[i];
    const Values sums = sumsOverPixels(products, s);
    Values expected;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(regions.size()); ++i) {
      const std::int64_t image = i / s.classes / s.pixels();
      expected.push_back(0.5 * regions[i] * (dRegions[i] - sums[image * s.classes + i % s.classes]));
    }
    for (const bool inPlace : {false, true}) {
      requireClose(runSpatialSoftmaxGradient(c, s, regions, dRegions, c.threads, inPlace), expected,
                   kTolerance);
    }
    requireClose(runSpatialSoftmaxGradient(c, s, regions, dRegions, 3, true),
                 runSpatialSoftmaxGradient(c, s, regions, dRegions, 1, false), 0);
  }
}

struct AttentionInputs {
  Values query, key, value, dy;
};

/// dQuery, dKey and dValue.
std::vector<Values> attentionGradients(const Size& s, const AttentionInputs& in, double scale) {
  Values dQuery(in.query.size()), dKey(in.key.size()), dValue(in.value.size());
  for (std::int64_t i = 0; i < s.allPixels(); ++i) {
    const std::int64_t first = i / s.pixels() * s.classes;
    Values w(s.classes), score(s.classes);
    double most = -kInfinity, sum = 0, mean = 0;
    for (std::int64_t k = 0; k < s.classes; ++k) {
      for (std::int64_t d = 0; d < s.depth; ++d)
        w[k] += scale * in.query[i * s.depth + d] * in.key[(first + k) * s.depth + d];
      for (std::int64_t j = 0; j < s.channels; ++j)
        score[k] += in.dy[i * s.channels + j] * in.value[(first + k) * s.channels + j];
      most = std::max(most, w[k]);
    }
    for (double& weight : w) sum += weight = std::exp(weight - most);
    for (std::int64_t k = 0; k < s.classes; ++k) mean += (w[k] /= sum) * score[k];
    for (std::int64_t k = 0; k < s.classes; ++k) {
      const double dw = scale * w[k] * (score[k] - mean);
      for (std::int64_t d = 0; d < s.depth; ++d) {
        dQuery[i * s.depth + d] += dw * in.key[(first + k) * s.depth + d];
        dKey[(first + k) * s.depth + d] += dw * in.query[i * s.depth + d];
      }
      for (std::int64_t j = 0; j < s.channels; ++j)
        dValue[(first + k) * s.channels + j] += w[k] * in.dy[i * s.channels + j];
    }
  }
  return {dQuery, dKey, dValue};
}

/// `wanted`: which of the three somebody reads.
std::vector<Values> runAttentionGradient(const Configuration& c, const Size& s, const AttentionInputs& in,
                                         float scale, int threads, const std::vector<bool>& wanted) {
  OpRunner runner(Opcode::attendRegionsGradient, AttendRegionsGradientAttributes{scale});
  runner.input(c.type, s.image(s.depth), in.query, c.gap)
      .input(c.type, s.vectors(s.depth), in.key)
      .input(c.type, s.vectors(s.channels), in.value)
      .input(c.type, s.image(s.channels), in.dy, 2 * c.gap);
  const Shape shapes[] = {s.image(s.depth), s.vectors(s.depth), s.vectors(s.channels)};
  for (int i = 0; i < 3; ++i) wanted[i] ? runner.output(c.type, shapes[i]) : runner.absentOutput();
  return runner.run(c.withThreads(threads));
}

AttentionInputs randomAttention(const Configuration& c, const Size& s) {
  return {randomValues(c.type, s.image(s.depth)), randomValues(c.type, s.vectors(s.depth)),
          randomValues(c.type, s.vectors(s.channels)), randomValues(c.type, s.image(s.channels))};
}

void attentionGradientMatches(const Configuration& c) {
  if (skips(c)) return;
  for (const Size& s : kSizes) {
    const AttentionInputs in = randomAttention(c, s);
    const float scale = 1 / std::sqrt(static_cast<float>(s.depth));
    const std::vector<Values> expected = attentionGradients(s, in, scale);
    const std::vector<Values> all = runAttentionGradient(c, s, in, scale, c.threads, {true, true, true});
    // Relations differ from their mean by rounding alone where there is one class: all gradients but dValue
    // are zero there.
    for (int i = 0; i < 3; ++i) requireClose(all[i], expected[i], c.tolerance());
    if (c.processor == Processor::cpu) {
      const std::vector<Values> single = runAttentionGradient(c, s, in, scale, 1, {true, true, true});
      const std::vector<Values> many = runAttentionGradient(c, s, in, scale, 3, {true, true, true});
      for (int i = 0; i < 3; ++i) requireClose(many[i], single[i], 0);
    }
    for (int i = 0; i < 3; ++i) {
      std::vector<bool> wanted(3);
      wanted[i] = true;
      requireClose(runAttentionGradient(c, s, in, scale, c.threads, wanted)[0], all[i], 0);
    }
  }
}

/// Products of ±1e30: the relation is one winner's.
void attentionGradientTakesExtremes(const Configuration& c) {
  if (skips(c)) return;
  const Size s{1, 7, 8, 5, 16, 20};
  AttentionInputs in = randomAttention(c, s);
  std::fill(in.query.begin(), in.query.end(), 0);
  std::fill(in.key.begin(), in.key.end(), 0);
  for (std::int64_t i = 0; i < s.pixels(); ++i) in.query[i * s.depth] = rounded(c.type, i % 2 ? 1e15 : -1e15);
  for (std::int64_t k = 0; k < s.classes; ++k) in.key[k * s.depth] = rounded(c.type, (k - 2.0) * 1e15);
  const std::vector<Values> expected = attentionGradients(s, in, 1);
  const std::vector<Values> results = runAttentionGradient(c, s, in, 1, c.threads, {true, true, true});
  for (int i = 0; i < 3; ++i) requireClose(results[i], expected[i], c.tolerance());
}

}  // namespace

int main() {
  return runTests({
      {"distributeRegions matches", distributeMatches},
      {"scoreRegions matches", scoreMatches},
      {"bfloat16 is refused", refuseBFloat16},
      {"spatialSoftmaxGradient matches", spatialSoftmaxGradientMatches},
      {"attendRegionsGradient matches", attentionGradientMatches},
      {"attendRegionsGradient takes extremes", attentionGradientTakesExtremes},
  });
}

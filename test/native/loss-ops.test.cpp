// crossEntropy, labelRegions and sliceChannels against float64. The loss is a mean of terms ≥ 0 and each
// gradient a sum of few products: 1e-5 is far above what float32 loses, but for probabilities, which lose
// 2⁻²⁴ for each unit of the scores' magnitude.

#include <algorithm>
#include <numeric>

#include "core/bilinear.h"
#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

struct LossCase {
  Shape logits;
  std::int64_t height, width;
  double scale = 2;
  bool classWeights = false;
  float smoothing = 0, hardThreshold = 0;
  std::int32_t hardMinimum = 0;
  bool alignCorners = false;
  std::int32_t ignoreLabel = 255;
  DataType labelType = DataType::uint8;
};

constexpr float kWeight = 0.4f;

struct Expected {
  double loss = 0;
  Values dLogits;
};

struct Pixel {
  std::size_t label;
  std::int64_t sources[4];
  double shares[4];
  Values logProbabilities;
};

std::vector<Pixel> mixedPixels(const LossCase& k, const Values& logits, const Values& labels) {
  const std::int64_t classes = k.logits[3];
  const auto rows = bilinearTaps(k.logits[1], k.height, k.alignCorners),
             columns = bilinearTaps(k.logits[2], k.width, k.alignCorners);
  std::vector<Pixel> pixels;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const BilinearTap &row = rows[index / k.width % k.height], &column = columns[index % k.width];
    const std::int64_t image = index / (k.width * k.height);
    Pixel pixel{static_cast<std::size_t>(labels[i]), {}, {}, Values(classes, 0)};
    for (int corner = 0; corner < 4; ++corner) {
      const double y = static_cast<double>(row.weight), x = static_cast<double>(column.weight);
      pixel.shares[corner] = (corner < 2 ? 1 - y : y) * (corner % 2 == 0 ? 1 - x : x);
      pixel.sources[corner] = ((image * k.logits[1] + (corner < 2 ? row.first : row.second)) * k.logits[2] +
                               (corner % 2 == 0 ? column.first : column.second)) *
                              classes;
      for (std::int64_t c = 0; c < classes; ++c)
        pixel.logProbabilities[c] += pixel.shares[corner] * logits[pixel.sources[corner] + c];
    }
    const double most = *std::max_element(pixel.logProbabilities.begin(), pixel.logProbabilities.end());
    double sum = 0;
    for (const double score : pixel.logProbabilities) sum += std::exp(score - most);
    for (double& score : pixel.logProbabilities) score -= most + std::log(sum);
    if (static_cast<std::int32_t>(labels[i]) != k.ignoreLabel) pixels.push_back(std::move(pixel));
  }
  return pixels;
}

Expected expected(const LossCase& k, const Values& logits, const Values& labels, const Values& classWeights) {
  std::vector<Pixel> pixels = mixedPixels(k, logits, labels);
  const auto probability = [](const Pixel& p) { return std::exp(p.logProbabilities[p.label]); };
  if (k.hardThreshold > 0 && !pixels.empty()) {
    Values ascending;
    for (const Pixel& pixel : pixels) ascending.push_back(probability(pixel));
    std::sort(ascending.begin(), ascending.end());
    const std::size_t kept = std::min<std::size_t>(k.hardMinimum, ascending.size());
    const double threshold =
        std::max(static_cast<double>(k.hardThreshold), kept > 0 ? ascending[kept - 1] : 0);
    std::erase_if(pixels, [&](const Pixel& pixel) { return probability(pixel) > threshold; });
  }
  const auto classes = static_cast<std::size_t>(k.logits[3]);
  double divisor = 0;
  for (const Pixel& pixel : pixels) divisor += classWeights[pixel.label];
  Expected result{0, Values(logits.size(), 0)};
  if (divisor == 0) return result;
  const double scale = static_cast<double>(kWeight) / divisor, smoothing = static_cast<double>(k.smoothing);
  for (const Pixel& pixel : pixels) {
    Values target(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      target[c] = scale * classWeights[c] *
                  (smoothing / static_cast<double>(classes) + (c == pixel.label ? 1 - smoothing : 0));
    }
    const double total = std::accumulate(target.begin(), target.end(), 0.0);
    for (std::size_t c = 0; c < classes; ++c) {
      result.loss -= target[c] * pixel.logProbabilities[c];
      const double gradient = total * std::exp(pixel.logProbabilities[c]) - target[c];
      for (int corner = 0; corner < 4; ++corner)
        result.dLogits[pixel.sources[corner] + c] += pixel.shares[corner] * gradient;
    }
  }
  return result;
}

OpRunner lossRunner(const LossCase& k, const Values& logits, const Values& labels, const Values* classWeights,
                    bool gradient = true, double lossScale = 0) {
  OpRunner runner(Opcode::crossEntropy,
                  CrossEntropyAttributes{kWeight, k.ignoreLabel, k.smoothing, k.hardThreshold, k.hardMinimum,
                                         k.alignCorners});
  runner.input(DataType::float32, k.logits, logits)
      .input(k.labelType, {k.logits[0], k.height, k.width}, labels);
  classWeights ? runner.input(DataType::float32, {k.logits[3]}, *classWeights) : runner.absentInput();
  lossScale > 0 ? runner.input(DataType::float32, {2}, {lossScale, 7}) : runner.absentInput();
  runner.output(DataType::float32, {1});
  gradient ? runner.output(DataType::float32, k.logits) : runner.absentOutput();
  return runner;
}

Values randomLabels(const LossCase& k) {
  Values labels;
  std::uniform_int_distribution<int> any(0, static_cast<int>(k.logits[3]));
  for (std::int64_t i = 0; i < k.logits[0] * k.height * k.width; ++i) {
    const int label = any(generator());
    labels.push_back(label == k.logits[3] ? k.ignoreLabel : label);
  }
  return labels;
}

void expectLoss(const Configuration& c, const LossCase& k, double tolerance = 1e-5) {
  const Values logits = randomValues(DataType::float32, k.logits, k.scale), labels = randomLabels(k);
  Values weights = randomValues(DataType::float32, {k.logits[3]});
  for (double& weight : weights) weight = k.classWeights ? std::abs(weight) : 1;
  const Expected wanted = expected(k, logits, labels, weights);
  const Values* const given = k.classWeights ? &weights : nullptr;
  const auto results = lossRunner(k, logits, labels, given).run(c);
  // Where there is but one class, all terms cancel: relative to one term of the mean.
  const double term = static_cast<double>(kWeight) / static_cast<double>(labels.size());
  require(std::abs(results[0][0] - wanted.loss) <= tolerance * std::max(std::abs(wanted.loss), 100 * term),
          "the loss differs");
  for (std::size_t i = 0; i < logits.size(); ++i) {
    require(std::abs(results[1][i] - wanted.dLogits[i]) <=
                tolerance * std::max(std::abs(wanted.dLogits[i]), term),
            "the gradient of logit " + std::to_string(i) + " differs");
  }
  const auto lossAlone = lossRunner(k, logits, labels, given, false).run(c);
  requireClose(lossAlone[0], results[0], 0);
  const auto moreThreads = lossRunner(k, logits, labels, given).run(c.withThreads(3));
  requireClose(moreThreads[0], results[0], 0);
  requireClose(moreThreads[1], results[1], 0);
}

/// A power of two changes the gradient's exponents alone, and the loss not at all.
void gradientsAreScaled(const Configuration& c) {
  LossCase k{{2, 3, 5, 19}, 17, 23};
  k.classWeights = true;
  const Values logits = randomValues(DataType::float32, k.logits, k.scale), labels = randomLabels(k);
  const Values weights(k.logits[3], 0.5);
  const auto plain = lossRunner(k, logits, labels, &weights).run(c);
  const auto scaled = lossRunner(k, logits, labels, &weights, true, 65536).run(c);
  Values expected = plain[1];
  for (double& x : expected) x *= 65536;
  requireClose(scaled[0], plain[0], 0);
  requireClose(scaled[1], expected, 0);
}

const LossCase kPlain[] = {
    {{2, 3, 5, 19}, 17, 23}, {{1, 4, 4, 11}, 16, 16}, {{1, 5, 3, 3}, 5, 3},
    {{2, 1, 1, 7}, 9, 4},    {{1, 9, 7, 40}, 4, 3},   {{1, 3, 2, 171}, 6, 31},
    {{1, 2, 9, 1}, 5, 20},   {{3, 7, 6, 16}, 29, 11}, {{1, 2, 2, 33}, 1, 1},
};

void lossMatches(const Configuration& c) {
  for (LossCase k : kPlain) {
    for (const bool alignCorners : {false, true}) {
      k.alignCorners = alignCorners;
      for (int bits = 0; bits < 8; ++bits) {
        k.classWeights = (bits & 1) != 0;
        k.smoothing = (bits & 2) != 0 ? 0.1f : 0;
        k.hardThreshold = (bits & 4) != 0 ? 0.3f : 0;
        expectLoss(c, k);
      }
    }
  }
}

void hardMinimumIsExact(const Configuration& c) {
  for (const std::int32_t minimum : {1, 2, 50, 200, 1000000}) {
    LossCase k{{1, 6, 6, 5}, 24, 24};
    k.hardThreshold = 1e-9f;
    k.hardMinimum = minimum;
    expectLoss(c, k);
  }
}

void wideLabelsMatch(const Configuration& c) {
  LossCase k{{1, 3, 3, 300}, 12, 12};
  k.labelType = DataType::uint16;
  k.ignoreLabel = 65535;
  expectLoss(c, k);
  k.ignoreLabel = -1;  // nothing is ignored
  Values labels(144, 299);
  const Values logits = randomValues(DataType::float32, k.logits), weights(300, 1);
  const auto results = lossRunner(k, logits, labels, nullptr).run(c);
  requireClose(results[0], {expected(k, logits, labels, weights).loss}, 1e-5);
}

/// Scores of ±1e4 have differences that are exact to 1e-3: no more can be asked of the gradients of those who
/// are close.
void extremesAreStable(const Configuration& c) {
  LossCase k{{1, 3, 4, 19}, 3, 4};
  k.scale = 1e4;
  k.smoothing = 0.1f;
  expectLoss(c, k);
  LossCase same{{1, 2, 2, 4}, 2, 2};
  const Values logits(16, -1e4), labels{0, 1, 2, 3}, weights(4, 1);
  const auto results = lossRunner(same, logits, labels, nullptr).run(c);
  requireClose(results[0], {static_cast<double>(kWeight) * std::log(4.0)}, 1e-6);
}

void allIgnoredIsZero(const Configuration& c) {
  LossCase k{{2, 3, 3, 19}, 9, 9};
  for (const float hardThreshold : {0.0f, 0.7f}) {
    k.hardThreshold = hardThreshold;
    k.hardMinimum = 10;
    const auto results = lossRunner(k, Values(2 * 9 * 19, 1), Values(2 * 81, 255), nullptr).run(c);
    requireClose(results[0], {0}, 0);
    requireClose(results[1], Values(2 * 9 * 19, 0), 0);
  }
}

void notANumberIsNotHidden(const Configuration& c) {
  LossCase k{{1, 2, 2, 5}, 4, 4};
  for (const float hardThreshold : {0.0f, 0.7f}) {
    k.hardThreshold = hardThreshold;
    Values logits(20, 1);
    logits[7] = kNaN;
    const auto results = lossRunner(k, logits, Values(16, 2), nullptr).run(c);
    require(std::isnan(results[0][0]), "expected a NaN");
  }
}

void wrongLabelsAreRefused(const Configuration& c) {
  LossCase k{{2, 2, 2, 5}, 4, 6};
  Values labels(48, 4);
  labels[24 + 2 * 6 + 3] = 5;
  labels[47] = 9;
  try {
    lossRunner(k, Values(40, 0), labels, nullptr).run(c);
  } catch (const Error& error) {
    require(std::string(error.code()) == "INVALID_DATA", "expected INVALID_DATA");
    return require(
        std::string(error.what()).find("received 5 in row 2, column 3 of picture 1") != std::string::npos,
        error.what());
  }
  throw std::runtime_error("accepted a label that is no class");
}

void labelRegionsMatches(const Configuration& c) {
  for (const DataType type : {DataType::uint8, DataType::uint16}) {
    for (const auto& [labelHeight, labelWidth, height, width] :
         {std::array<std::int64_t, 4>{17, 23, 5, 6}, {4, 4, 8, 9}, {1, 1, 1, 1}, {12, 16, 3, 4}}) {
      for (const bool normalised : {false, true}) {
        constexpr std::int64_t kBatch = 3, kClasses = 7;
        Values labels;
        for (std::int64_t i = 0; i < kBatch * labelHeight * labelWidth; ++i)
          labels.push_back(i % 11 == 3 ? 255 : static_cast<double>(i * 5 % 9));
        Values regions(kBatch * height * width * kClasses, 0);
        for (std::int64_t n = 0; n < kBatch; ++n) {
          for (std::int64_t k = 0; k < kClasses; ++k) {
            std::vector<std::int64_t> members;
            for (std::int64_t i = 0; i < height * width; ++i) {
              const std::int64_t row = i / width * labelHeight / height,
                                 column = i % width * labelWidth / width;
              if (labels[(n * labelHeight + row) * labelWidth + column] == static_cast<double>(k))
                members.push_back((n * height * width + i) * kClasses + k);
            }
            for (const std::int64_t i : members)
              regions[i] = normalised ? 1 / static_cast<double>(members.size()) : 1;
          }
        }
        OpRunner runner(Opcode::labelRegions,
                        LabelRegionsAttributes{static_cast<std::int32_t>(height),
                                               static_cast<std::int32_t>(width), kClasses, normalised});
        runner.input(type, {kBatch, labelHeight, labelWidth}, labels)
            .output(DataType::float32, {kBatch, height, width, kClasses});
        requireClose(runner.run(c)[0], regions, 1e-7);
      }
    }
  }
}

void sliceChannelsMatches(const Configuration& c) {
  for (const auto& [first, count] : {std::pair{0, 7}, {3, 4}, {6, 1}, {2, 3}}) {
    const Shape shape{2, 9, 13, 7};
    const Values x = randomValues(c.type, shape);
    Values expectedPart;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int k = static_cast<int>(i % 7);
      if (k >= first && k < first + count) expectedPart.push_back(x[i]);
    }
    OpRunner runner(Opcode::sliceChannels, SliceChannelsAttributes{first, count});
    runner.input(c.type, shape, x, c.gap).output(c.type, {2, 9, 13, count}, 2 * c.gap);
    requireClose(runner.run(c)[0], expectedPart, 0);
  }
}

/// Of what has neither element types nor gaps, half the configurations would be the same ones again.
template <class F>
std::function<void(const Configuration&)> once(F test) {
  return [test](const Configuration& c) {
    if (c.type == DataType::float32 && (c.gap == 0 || c.processor == Processor::cuda)) test(c);
  };
}

}  // namespace

int main() {
  return runTests({
      {"crossEntropy matches", once(lossMatches)},
      {"hardMinimum is exact", once(hardMinimumIsExact)},
      {"wide labels match", once(wideLabelsMatch)},
      {"extremes are stable", once(extremesAreStable)},
      {"gradients are scaled", once(gradientsAreScaled)},
      {"all ignored is zero", once(allIgnoredIsZero)},
      {"a NaN is not hidden", once(notANumberIsNotHidden)},
      {"wrong labels are refused", once(wrongLabelsAreRefused)},
      {"labelRegions matches", once(labelRegionsMatches)},
      {"sliceChannels matches", sliceChannelsMatches},
  });
}

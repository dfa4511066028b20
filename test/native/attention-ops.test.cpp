// attendPixels, attendCrissCross and their gradients against float64. A logit errs by a few roundings of the
// magnitude of its sum, and the weight that it gives by as much relatively: that of logits of 1e4 by 1e4 ·
// 2⁻²³.

#include <algorithm>
#include <map>
#include <numeric>

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

/// Which of the two operations, and on what.
struct Size {
  bool crissCross;
  std::int64_t batch, height, width, keyHeight, keyWidth, depth, channels;

  std::int64_t queries() const { return height * width; }
  std::int64_t keys() const { return keyHeight * keyWidth; }
  Shape image(std::int64_t columns) const { return {batch, height, width, columns}; }
  Shape keyImage(std::int64_t columns) const { return {batch, keyHeight, keyWidth, columns}; }

  /// The keys, counted over the batch, that a query attends to.
  std::vector<std::int64_t> keysOf(std::int64_t query) const {
    const std::int64_t first = query / queries() * keys(), own = query % queries();
    std::vector<std::int64_t> all(keys());
    std::iota(all.begin(), all.end(), first);
    if (!crissCross) return all;
    std::erase_if(all, [&](std::int64_t key) {
      const std::int64_t pixel = key - first;
      return pixel / width != own / width && pixel % width != own % width;
    });
    return all;
  }
};

constexpr Size pixels(std::int64_t batch, std::int64_t height, std::int64_t width, std::int64_t keyHeight,
                      std::int64_t keyWidth, std::int64_t depth, std::int64_t channels) {
  return {false, batch, height, width, keyHeight, keyWidth, depth, channels};
}

constexpr Size crissCross(std::int64_t batch, std::int64_t height, std::int64_t width, std::int64_t depth,
                          std::int64_t channels) {
  return {true, batch, height, width, height, width, depth, channels};
}

// One pixel; less than a vector; several blocks of queries and of keys, none of them whole; keys so wide that
// there are fewer in a block; one key, which takes all. Of rows and columns: the same, and one row or column
// alone. The last three have whole packs of 16 bytes, which GPUs take another way.
const Size kSizes[] = {
    pixels(1, 1, 1, 1, 1, 1, 1),       pixels(3, 5, 7, 4, 3, 9, 6),       pixels(2, 17, 19, 31, 11, 33, 20),
    pixels(1, 3, 23, 7, 27, 300, 520), pixels(2, 9, 8, 1, 1, 64, 17),     pixels(1, 13, 10, 13, 10, 64, 130),
    crissCross(1, 1, 1, 1, 1),         crissCross(3, 5, 7, 9, 6),         crissCross(2, 1, 67, 16, 20),
    crissCross(1, 300, 2, 17, 33),     crissCross(1, 6, 270, 8, 12),      crissCross(1, 23, 70, 64, 130),
    pixels(2, 9, 17, 11, 13, 24, 40),  pixels(1, 5, 30, 20, 7, 264, 272), crissCross(1, 19, 70, 72, 136)};
constexpr double kTolerance = 1e-5;

/// Of results that have three roundings to their type where a row's and a column's are added, larger than
/// their sum may be.
double tolerance(const Configuration& c, const Size& s) { return (s.crissCross ? 3 : 1) * c.tolerance(); }

/// Whether the same again would take an emulated GPU long.
bool isLongOnCuda(const Configuration& c, const Size& s) {
  return c.processor == Processor::cuda && s.queries() > 50;
}

/// Between pixels: of whole packs, too, where maps have them.
std::int64_t gapOf(const Configuration& c, const Size& s) {
  constexpr std::int64_t kPack = 8;
  return c.gap > 0 && s.depth % kPack == 0 && s.channels % kPack == 0 ? kPack : c.gap;
}

struct Maps {
  Values query, key, value, dy;
};

Maps randomMaps(DataType type, const Size& s) {
  return {randomValues(type, s.image(s.depth)), randomValues(type, s.keyImage(s.depth)),
          randomValues(type, s.keyImage(s.channels)), randomValues(type, s.image(s.channels))};
}

float usualScale(const Size& s) { return 1 / std::sqrt(static_cast<float>(s.depth)); }

/// Sums, and the magnitude of their terms: these may cancel, their errors do not.
struct Sums {
  Values sums, magnitudes;

  explicit Sums(std::size_t size) : sums(size), magnitudes(size) {}
  /// Adds factor · x to pixel i, where `terms` bounds the factor's own terms.
  void add(std::int64_t i, double factor, double terms, const Values& x, std::int64_t j,
           std::int64_t length) {
    for (std::int64_t k = 0; k < length; ++k) {
      sums[i * length + k] += factor * x[j * length + k];
      magnitudes[i * length + k] += terms * std::abs(x[j * length + k]);
    }
  }
};

struct Attended {
  Sums y;
  Values logSumExp;
  Sums dQuery, dKey, dValue;
};

double dot(const Values& a, std::int64_t i, const Values& b, std::int64_t j, std::int64_t length) {
  double sum = 0;
  for (std::int64_t k = 0; k < length; ++k) sum += a[i * length + k] * b[j * length + k];
  return sum;
}

Attended attend(const Size& s, const Maps& in, double scale) {
  Attended out{Sums(in.dy.size()), {}, Sums(in.query.size()), Sums(in.key.size()), Sums(in.value.size())};
  for (std::int64_t i = 0; i < s.batch * s.queries(); ++i) {
    const std::vector<std::int64_t> keys = s.keysOf(i);
    Values w;
    double most = -kInfinity, sum = 0;
    for (const std::int64_t key : keys) w.push_back(scale * dot(in.query, i, in.key, key, s.depth));
    for (const double score : w) most = std::max(most, score);
    for (double& weight : w) sum += weight = std::exp(weight - most);
    out.logSumExp.push_back(most + std::log(sum));
    for (std::size_t k = 0; k < keys.size(); ++k) {
      w[k] /= sum;
      out.y.add(i, w[k], w[k], in.value, keys[k], s.channels);
    }
    const double mean = dot(in.dy, i, out.y.sums, i, s.channels);
    for (std::size_t k = 0; k < keys.size(); ++k) {
      const double score = dot(in.dy, i, in.value, keys[k], s.channels), factor = scale * w[k],
                   terms = factor * (std::abs(score) + std::abs(mean));
      out.dValue.add(keys[k], w[k], w[k], in.dy, i, s.channels);
      out.dQuery.add(i, factor * (score - mean), terms, in.key, keys[k], s.depth);
      out.dKey.add(keys[k], factor * (score - mean), terms, in.query, i, s.depth);
    }
  }
  return out;
}

/// Random maps and what comes of them, which takes long: one for all configurations of a type.
struct Sample {
  Maps in;
  Attended expected;
};

const Sample& sampleOf(DataType type, const Size& s) {
  static std::map<std::pair<DataType, const Size*>, Sample> known;
  const std::pair key(type, &s);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  const Maps in = randomMaps(type, s);
  return known.emplace(key, Sample{in, attend(s, in, usualScale(s))}).first->second;
}

/// y, and logSumExp where it is wanted.
std::vector<Values> runAttend(const Configuration& c, const Size& s, const Maps& in, float scale, int threads,
                              bool wantsSums = true) {
  const std::int64_t gap = gapOf(c, s);
  OpRunner runner = s.crissCross ? OpRunner(Opcode::attendCrissCross, AttendCrissCrossAttributes{scale})
                                 : OpRunner(Opcode::attendPixels, AttendPixelsAttributes{scale});
  runner.input(c.type, s.image(s.depth), in.query, gap)
      .input(c.type, s.keyImage(s.depth), in.key, 3 * gap)
      .input(c.type, s.keyImage(s.channels), in.value, gap)
      .output(c.type, s.image(s.channels), 2 * gap);
  wantsSums ? runner.output(DataType::float32, s.image(1)) : runner.absentOutput();
  return runner.run(c.withThreads(threads));
}

/// Each element within `tolerance` of its terms' magnitude, or of the mean magnitude where that is larger.
void requireSums(const char* what, const Values& results, const Sums& expected, double tolerance) {
  const auto& [sums, magnitudes] = expected;
  double mean = 0;
  for (const double magnitude : magnitudes) mean += magnitude / magnitudes.size();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (std::abs(results[i] - sums[i]) <= tolerance * std::max(magnitudes[i], mean)) continue;
    throw std::runtime_error(std::string(what) + ", element " + std::to_string(i) + ": expected " +
                             std::to_string(sums[i]) + ", received " + std::to_string(results[i]));
  }
}

void requireGradients(const std::vector<Values>& results, const Attended& expected, double tolerance) {
  requireSums("dQuery", results[0], expected.dQuery, tolerance);
  requireSums("dKey", results[1], expected.dKey, tolerance);
  requireSums("dValue", results[2], expected.dValue, tolerance);
}

void forwardMatches(const Configuration& c) {
  for (const Size& s : kSizes) {
    const auto& [in, expected] = sampleOf(c.type, s);
    const std::vector<Values> results = runAttend(c, s, in, usualScale(s), c.threads);
    requireSums("y", results[0], expected.y, tolerance(c, s));
    requireClose(results[1], expected.logSumExp, kTolerance);
    if (isLongOnCuda(c, s)) continue;
    const std::vector<Values> many = runAttend(c, s, in, usualScale(s), 3);
    for (int i = 0; i < 2; ++i) requireClose(many[i], results[i], 0);
    requireClose(runAttend(c, s, in, usualScale(s), c.threads, false)[0], results[0], 0);
  }
}

/// Logits of ±1e4: the later the key the larger, so that each block makes all before it vanish, or the
/// smaller.
Maps extremeMaps(const Configuration& c, const Size& s) {
  Maps in = randomMaps(c.type, s);
  std::fill(in.query.begin(), in.query.end(), 0);
  for (std::int64_t i = 0; i < s.queries(); ++i) in.query[i * s.depth] = i % 2 ? 100 : -100;
  for (std::int64_t k = 0; k < s.keys(); ++k)
    in.key[k * s.depth] = rounded(c.type, 200.0 * (k / 3) / (s.keys() / 3) - 100);
  return in;
}
const Size kExtremeSizes[] = {pixels(1, 9, 8, 32, 20, 16, 20), crissCross(1, 20, 32, 16, 20)};
constexpr double kExtremeTolerance = 1e4 / (1 << 23);

void forwardTakesExtremes(const Configuration& c) {
  for (const Size& s : kExtremeSizes) {
    const Maps in = extremeMaps(c, s);
    const Attended expected = attend(s, in, 1);
    const std::vector<Values> results = runAttend(c, s, in, 1, c.threads);
    // Equal logits are equal to the bit, but of a row and of a column only after a logSumExp of theirs.
    requireClose(results[0], expected.y.sums,
                 std::max(tolerance(c, s), s.crissCross ? kExtremeTolerance : 0));
    requireClose(results[1], expected.logSumExp, kTolerance);
  }
}

/// A whole block of logits that overflow to −∞ counts for nothing; one +∞ is no number, and harms its pixel
/// alone.
void forwardKeepsInfinities(const Configuration& c) {
  const Size s = pixels(1, 2, 40, 30, 20, 4, 5);
  Maps in = randomMaps(c.type, s);
  for (std::int64_t k = 0; k < 400; ++k) in.key[k * s.depth] = rounded(c.type, -1e30);
  for (std::int64_t i = 0; i < s.queries(); ++i) in.query[i * s.depth] = rounded(c.type, 1e30);
  Maps finite = in;  // float64 does not overflow here, but all of it is far below the other keys
  in.query[7 * s.depth] = rounded(c.type, -1e30);
  Attended expected = attend(s, finite, 1);
  const std::vector<Values> results = runAttend(c, s, in, 1, c.threads);
  for (std::int64_t j = 0; j < s.channels; ++j) {
    require(std::isnan(results[0][7 * s.channels + j]), "+∞ must give NaN");
    expected.y.sums[7 * s.channels + j] = kNaN;
  }
  requireClose(results[0], expected.y.sums, c.tolerance());
}

/// The gradients that are wanted of dQuery, dKey and dValue.
std::vector<Values> runGradient(const Configuration& c, const Size& s, const Maps& in, float scale,
                                int threads, const std::vector<bool>& wanted = {true, true, true}) {
  const std::int64_t gap = gapOf(c, s);
  const std::vector<Values> attended = runAttend(c, s, in, scale, 1);
  OpRunner runner =
      s.crissCross ? OpRunner(Opcode::attendCrissCrossGradient, AttendCrissCrossGradientAttributes{scale})
                   : OpRunner(Opcode::attendPixelsGradient, AttendPixelsGradientAttributes{scale});
  runner.input(c.type, s.image(s.depth), in.query, gap)
      .input(c.type, s.keyImage(s.depth), in.key, 3 * gap)
      .input(c.type, s.keyImage(s.channels), in.value, gap)
      .input(c.type, s.image(s.channels), attended[0], gap)
      .input(DataType::float32, s.image(1), attended[1])
      .input(c.type, s.image(s.channels), in.dy, 2 * gap);
  const Shape shapes[] = {s.image(s.depth), s.keyImage(s.depth), s.keyImage(s.channels)};
  for (int i = 0; i < 3; ++i) wanted[i] ? runner.output(c.type, shapes[i]) : runner.absentOutput();
  return runner.run(c.withThreads(threads));
}

/// The CPU trains in float32 alone.
bool hasGradient(const Configuration& c) {
  return c.type == DataType::float32 || c.processor == Processor::cuda;
}

void gradientMatches(const Configuration& c) {
  if (!hasGradient(c)) return;
  for (const Size& s : kSizes) {
    const auto& [in, expected] = sampleOf(c.type, s);
    const std::vector<Values> all = runGradient(c, s, in, usualScale(s), c.threads);
    requireGradients(all, expected, tolerance(c, s));
    if (isLongOnCuda(c, s)) continue;
    const std::vector<Values> many = runGradient(c, s, in, usualScale(s), 3);
    for (int i = 0; i < 3; ++i) {
      requireClose(many[i], all[i], 0);
      std::vector<bool> wanted(3);
      wanted[i] = true;
      requireClose(runGradient(c, s, in, usualScale(s), c.threads, wanted)[0], all[i], 0);
    }
  }
}

void gradientTakesExtremes(const Configuration& c) {
  if (!hasGradient(c)) return;
  for (const Size& s : kExtremeSizes) {
    const Maps in = extremeMaps(c, s);
    requireGradients(runGradient(c, s, in, 1, c.threads), attend(s, in, 1),
                     std::max(tolerance(c, s), kExtremeTolerance));
  }
}

void gradientRefusesBFloat16(const Configuration& c) {
  if (hasGradient(c)) return;
  for (const Size& s : {kSizes[1], kSizes[7]}) {
    try {
      runGradient(c, s, randomMaps(c.type, s), 1, 1);
    } catch (const Error& error) {
      require(std::string(error.code()) == "UNSUPPORTED", "must be UNSUPPORTED");
      continue;
    }
    throw std::runtime_error("must be refused");
  }
}

}  // namespace

int main() {
  return runTests({
      {"attention matches", forwardMatches},
      {"attention takes extremes", forwardTakesExtremes},
      {"attention keeps infinities", forwardKeepsInfinities},
      {"the gradient of attention matches", gradientMatches},
      {"the gradient of attention takes extremes", gradientTakesExtremes},
      {"the gradient of attention refuses bfloat16 on the CPU", gradientRefusesBFloat16},
  });
}

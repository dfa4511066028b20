// spatialSoftmax, aggregateRegions, gatherRegions and attendRegions against float64.

#include <algorithm>

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

struct Size {
  std::int64_t batch, height, width, classes, depth, channels;
  std::int64_t pixels() const { return height * width; }
};

const Size kSizes[] = {{1, 1, 1, 1, 16, 1},    {3, 5, 7, 19, 64, 70},   {2, 31, 23, 2, 32, 48},
                       {1, 40, 30, 60, 17, 9}, {1, 3, 4, 300, 512, 33}, {1, 60, 30, 21, 16, 130},
                       {1, 2, 5, 700, 24, 40}};

Values softmaxOverPixels(const Values& logits, const Size& size, double scale) {
  Values regions(logits.size());
  for (std::int64_t n = 0; n < size.batch; ++n) {
    for (std::int64_t k = 0; k < size.classes; ++k) {
      const auto at = [&](std::int64_t i) { return (n * size.pixels() + i) * size.classes + k; };
      double most = -kInfinity, sum = 0;
      for (std::int64_t i = 0; i < size.pixels(); ++i) most = std::max(most, scale * logits[at(i)]);
      for (std::int64_t i = 0; i < size.pixels(); ++i) sum += std::exp(scale * logits[at(i)] - most);
      for (std::int64_t i = 0; i < size.pixels(); ++i)
        regions[at(i)] = std::exp(scale * logits[at(i)] - most) / sum;
    }
  }
  return regions;
}

Values runSpatialSoftmax(const Configuration& c, const Size& size, const Values& logits, float scale,
                         int threads) {
  const Shape shape{size.batch, size.height, size.width, size.classes};
  OpRunner runner(Opcode::spatialSoftmax, SpatialSoftmaxAttributes{scale});
  runner.input(c.type, shape, logits, c.gap).output(DataType::float32, shape);
  return runner.run(c.withThreads(threads))[0];
}

void spatialSoftmaxMatches(const Configuration& c) {
  for (const Size& size : kSizes) {
    for (const float scale : {1.0f, 0.25f}) {
      const Values logits = randomValues(c.type, {size.batch, size.height, size.width, size.classes}, 6);
      requireClose(runSpatialSoftmax(c, size, logits, scale, c.threads),
                   softmaxOverPixels(logits, size, scale), 1e-5);
    }
  }
}

void spatialSoftmaxTakesExtremes(const Configuration& c) {
  const Size size{1, 30, 30, 3, 0, 0};
  Values logits(size.pixels() * 3);
  for (std::int64_t i = 0; i < size.pixels(); ++i) {
    logits[3 * i] = rounded(c.type, i % 2 ? 1e30 : -1e30);
    logits[3 * i + 1] = i < 600 ? -kInfinity : rounded(c.type, -1e30);  // whole blocks of −∞
    logits[3 * i + 2] = i == 7 ? 0 : -kInfinity;
  }
  requireClose(runSpatialSoftmax(c, size, logits, 1, c.threads), softmaxOverPixels(logits, size, 1), 1e-5);
}

void spatialSoftmaxIgnoresThreads(const Configuration& c) {
  const Size size{1, 37, 41, 19, 0, 0};
  const Values logits = randomValues(c.type, {1, 37, 41, 19});
  requireClose(runSpatialSoftmax(c, size, logits, 1, 3), runSpatialSoftmax(c, size, logits, 1, 1), 0);
}

Values runAggregate(const Configuration& c, const Size& size, const Values& regions, const Values& features,
                    int threads) {
  OpRunner runner(Opcode::aggregateRegions, AggregateRegionsAttributes{});
  runner.input(DataType::float32, {size.batch, size.height, size.width, size.classes}, regions)
      .input(c.type, {size.batch, size.height, size.width, size.channels}, features, c.gap)
      .output(c.type, {size.batch, size.classes, 1, size.channels});
  return runner.run(c.withThreads(threads))[0];
}

Values sumByRegion(DataType type, const Size& size, const Values& regions, const Values& features) {
  Values y;
  for (std::int64_t n = 0; n < size.batch; ++n) {
    for (std::int64_t k = 0; k < size.classes; ++k) {
      for (std::int64_t channel = 0; channel < size.channels; ++channel) {
        double sum = 0;
        for (std::int64_t i = n * size.pixels(); i < (n + 1) * size.pixels(); ++i) {
          sum += regions[i * size.classes + k] * features[i * size.channels + channel];
        }
        y.push_back(rounded(type, sum));
      }
    }
  }
  return y;
}

void aggregateMatches(const Configuration& c) {
  for (const Size& size : kSizes) {
    const Values regions =
        randomValues(DataType::float32, {size.batch, size.height, size.width, size.classes});
    const Values features = randomValues(c.type, {size.batch, size.height, size.width, size.channels});
    requireClose(runAggregate(c, size, regions, features, c.threads),
                 sumByRegion(c.type, size, regions, features), c.tolerance());
    requireClose(runAggregate(c, size, regions, features, 3), runAggregate(c, size, regions, features, 1), 0);
  }
}

// Images of less than the 256 pixels that are summed at a time, of one more, and of several such splits and a
// part.
const Size kGathered[] = {{1, 1, 1, 1, 0, 1},
                          {2, 27, 21, 19, 0, 72},
                          {1, 13, 23, 171, 0, 40},
                          {1, 257, 1, 1, 0, 130},
                          {3, 5, 7, 60, 0, 9}};

Values runGather(const Configuration& c, const Size& size, const Values& logits, const Values& features,
                 float scale, int threads) {
  OpRunner runner(Opcode::gatherRegions, GatherRegionsAttributes{scale});
  runner.input(DataType::float32, {size.batch, size.height, size.width, size.classes}, logits, c.gap)
      .input(c.type, {size.batch, size.height, size.width, size.channels}, features, 2 * c.gap)
      .output(c.type, {size.batch, size.classes, 1, size.channels});
  return runner.run(c.withThreads(threads))[0];
}

Values gather(const Configuration& c, const Size& size, const Values& logits, const Values& features,
              double scale) {
  return sumByRegion(c.type, size, softmaxOverPixels(logits, size, scale), features);
}

void gatherMatches(const Configuration& c) {
  float scale = 1;
  for (const Size& size : kGathered) {
    const Values logits =
        randomValues(DataType::float32, {size.batch, size.height, size.width, size.classes}, 6);
    const Values features = randomValues(c.type, {size.batch, size.height, size.width, size.channels});
    const Values y = runGather(c, size, logits, features, scale, c.threads);
    requireClose(y, gather(c, size, logits, features, scale), c.tolerance());
    requireClose(runGather(c, size, logits, features, scale, 3), y, 0);
    scale = scale == 1 ? 0.25f : 1;
  }
}

/// The logits of a class may be anything but all −∞, and what is NaN in one concerns no other.
void gatherTakesExtremes(const Configuration& c) {
  const Size size{2, 29, 31, 7, 0, 20};
  const Values features = randomValues(c.type, {size.batch, size.height, size.width, size.channels});
  Values logits(size.batch * size.pixels() * size.classes);
  for (std::int64_t i = 0; i < size.batch * size.pixels(); ++i) {
    const std::int64_t pixel = i % size.pixels();
    double* const scores = &logits[i * size.classes];
    scores[0] = i % 2 ? 1e4 : -1e4;
    scores[1] = pixel < 600 ? -kInfinity : -1e4;  // whole splits of −∞
    scores[2] = pixel == 7 ? 0 : -kInfinity;      // all of it one pixel's
    scores[3] = pixel == size.pixels() - 1 ? 1e30 : -1e30;
    scores[4] = 16 * pixel;                            // each split's maximum beyond the last's
    scores[5] = pixel % 3 ? -kInfinity : -16 * pixel;  // and far below it
    scores[6] = i % 5;
  }
  const Values expected = gather(c, size, logits, features, 1);
  const Values y = runGather(c, size, logits, features, 1, c.threads);
  requireClose(y, expected, c.tolerance());

  logits[300 * size.classes + 4] = kNaN;
  Values confined = y;
  std::fill_n(confined.begin() + 4 * size.channels, size.channels, kNaN);
  requireClose(runGather(c, size, logits, features, 1, c.threads), confined, 0);
}

Values attend(const Size& size, const Values& query, const Values& key, const Values& value, double scale,
              Activation activation) {
  Values y;
  for (std::int64_t i = 0; i < size.batch * size.pixels(); ++i) {
    const std::int64_t firstClass = i / size.pixels() * size.classes;
    Values relation;
    double most = -kInfinity, sum = 0;
    for (std::int64_t k = firstClass; k < firstClass + size.classes; ++k) {
      double product = 0;
      for (std::int64_t d = 0; d < size.depth; ++d)
        product += query[i * size.depth + d] * key[k * size.depth + d];
      relation.push_back(scale * product);
      most = std::max(most, relation.back());
    }
    for (double& weight : relation) sum += weight = std::exp(weight - most);
    for (std::int64_t channel = 0; channel < size.channels; ++channel) {
      double mixed = 0;
      for (std::int64_t k = 0; k < size.classes; ++k) {
        mixed += relation[k] / sum * value[(firstClass + k) * size.channels + channel];
      }
      y.push_back(activated(mixed, activation, kSlope));
    }
  }
  return y;
}

void checkAttend(const Configuration& c, const Size& size, const Values& query, const Values& key,
                 const Values& value, float scale, Activation activation) {
  OpRunner runner(Opcode::attendRegions, AttendRegionsAttributes{scale, activation, kSlope});
  runner.input(c.type, {size.batch, size.height, size.width, size.depth}, query, c.gap)
      .input(c.type, {size.batch, size.classes, 1, size.depth}, key)
      .input(c.type, {size.batch, size.classes, 1, size.channels}, value)
      .output(c.type, {size.batch, size.height, size.width, size.channels}, 2 * c.gap);
  requireClose(runner.run(c)[0], attend(size, query, key, value, scale, activation), c.tolerance());
}

void attendMatches(const Configuration& c) {
  int i = 0;
  for (const Size& size : kSizes) {
    const float scale = 1 / std::sqrt(static_cast<float>(size.depth));
    checkAttend(c, size, randomValues(c.type, {size.batch, size.height, size.width, size.depth}),
                randomValues(c.type, {size.batch, size.classes, 1, size.depth}),
                randomValues(c.type, {size.batch, size.classes, 1, size.channels}), scale,
                kActivations[i++ % 4]);
  }
}

/// Products of ±1e30: the softmax has one winner, or equals.
void attendTakesExtremes(const Configuration& c) {
  const Size size{1, 7, 8, 5, 16, 20};
  Values query(size.pixels() * size.depth), key(size.classes * size.depth);
  for (std::int64_t i = 0; i < size.pixels(); ++i)
    query[i * size.depth] = rounded(c.type, i % 2 ? 1e15 : -1e15);
  for (std::int64_t k = 0; k < size.classes; ++k) key[k * size.depth] = rounded(c.type, (k / 2 - 1) * 1e15);
  const Values value = randomValues(c.type, {1, size.classes, 1, size.channels});
  checkAttend(c, size, query, key, value, 1, Activation::none);
}

}  // namespace

int main() {
  return runTests({
      {"spatialSoftmax matches", spatialSoftmaxMatches},
      {"spatialSoftmax takes extremes", spatialSoftmaxTakesExtremes},
      {"spatialSoftmax does not depend on the threads", spatialSoftmaxIgnoresThreads},
      {"aggregateRegions matches", aggregateMatches},
      {"gatherRegions matches", gatherMatches},
      {"gatherRegions takes extremes", gatherTakesExtremes},
      {"attendRegions matches", attendMatches},
      {"attendRegions takes extremes", attendTakesExtremes},
  });
}

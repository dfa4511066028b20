// Dropout: the same factors on all processors, to the bit, and as random as they should be.

#include <algorithm>

#include "core/philox.h"
#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

using Words = std::array<std::uint32_t, 4>;

// The known answers that Random123 publishes for philox4x32 with 10 rounds.
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

/// What a run draws from; see lib/ops/dropout.ts. Words above 2³¹ are negative.
struct Noise {
  std::int32_t low = -1234567, high = 89, run = 4, first = 2;
  Values values() const { return {double(low), double(high), double(run), double(first)}; }
};

/// The factors of x (N, H, W, C), each by itself.
std::vector<float> factorsOf(const Shape& shape, const DropoutAttributes& a, const Noise& noise) {
  const double rate = static_cast<double>(a.rate);
  const auto kept = static_cast<float>(1 / (1 - rate));
  const std::int64_t ofSample = elementsOf(shape) / shape[0];
  std::vector<float> factors;
  for (std::int64_t i = 0; i < elementsOf(shape); ++i) {
    const std::int64_t place = a.drops == Dropped::channels ? i % shape[3] : i % ofSample;
    const Words words = philox4x32(
        {static_cast<std::uint32_t>(place / 4), 0xffffffff - static_cast<std::uint32_t>(a.stream),
         static_cast<std::uint32_t>(noise.first + i / ofSample), static_cast<std::uint32_t>(noise.run)},
        {static_cast<std::uint32_t>(noise.low), static_cast<std::uint32_t>(noise.high)});
    factors.push_back(words[place % 4] < rate * 4294967296.0 ? 0 : kept);
  }
  return factors;
}

Values run(const Configuration& c, const Shape& shape, const DropoutAttributes& a, const Noise& noise,
           const Values& x, bool inPlace = false) {
  OpRunner runner(Opcode::dropout, a);
  runner.input(c.type, shape, x, c.gap).input(DataType::int32, {4}, noise.values());
  inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, 2 * c.gap);
  return runner.run(c)[0];
}

/// 0 and −0 differ.
void requireSameBits(const Values& values, const Values& expected) {
  requireClose(values, expected, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) require(std::signbit(values[i]) == std::signbit(expected[i]), "other zeros");
  }
}

/// One, odd and many channels: quads that lie across pixels, more channels than are drawn at a time.
const std::vector<Shape> kShapes = {{1, 1, 1, 1}, {3, 5, 7, 19}, {2, 3, 3, 48}, {2, 9, 4, 3}, {2, 1, 3, 303}};

void dropoutMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const Dropped drops : {Dropped::channels, Dropped::elements}) {
      for (const float rate : {0.0f, 1e-9f, 0.05f, 0.5f, 0.999f}) {
        const DropoutAttributes a{rate, drops, 3};
        const Values x = randomValues(c.type, shape);
        const std::vector<float> factors = factorsOf(shape, a, {});
        Values expected;
        for (std::size_t i = 0; i < x.size(); ++i)
          expected.push_back(rounded(c.type, static_cast<float>(x[i]) * factors[i]));
        for (const bool inPlace : {false, true}) requireSameBits(run(c, shape, a, {}, x, inPlace), expected);
      }
    }
  }
}

void rateZeroIsTheIdentity(const Configuration& c) {
  const Shape shape{2, 3, 5, 7};
  const Values x = randomValues(c.type, shape);
  for (const Dropped drops : {Dropped::channels, Dropped::elements})
    requireSameBits(run(c, shape, {0, drops, 0}, {}, x), x);
}

/// A loss that is no number must be seen, whatever is dropped.
void keepsNaN(const Configuration& c) {
  const Values results = run(c, {1, 3, 5, 8}, {0.5f, Dropped::elements, 0}, {}, Values(120, kNaN));
  for (const double value : results) require(std::isnan(value), "a NaN was dropped");
}

/// Members of a group have parts of a batch: each sample's factors are those in the whole.
void samplesCountFromTheFirst(const Configuration& c) {
  const Shape whole{4, 3, 2, 13}, part{2, 3, 2, 13};
  const Values x = randomValues(c.type, whole);
  const auto half = static_cast<std::ptrdiff_t>(x.size() / 2);
  for (const Dropped drops : {Dropped::channels, Dropped::elements}) {
    const DropoutAttributes a{0.4f, drops, 1};
    const Values expected = run(c, whole, a, {.first = 0}, x);
    Values joined = run(c, part, a, {.first = 0}, {x.begin(), x.begin() + half});
    const Values second = run(c, part, a, {.first = 2}, {x.begin() + half, x.end()});
    joined.insert(joined.end(), second.begin(), second.end());
    requireSameBits(joined, expected);
  }
}

/// So many of `trials` with this probability, within six standard deviations: one test in 5e8 would fail by
/// chance, and the numbers are the same each time.
void requireShare(std::int64_t count, std::int64_t trials, double probability, const char* what) {
  const double mean = static_cast<double>(trials) * probability;
  const double distance = std::abs(static_cast<double>(count) - mean);
  if (distance <= 6 * std::sqrt(mean * (1 - probability))) return;
  throw std::runtime_error(std::string(what) + ": expected about " + std::to_string(mean) + ", received " +
                           std::to_string(count));
}

const Shape kManyElements{2, 8, 8, 320}, kManyChannels{20, 1, 1, 1024};

void keepsTheRightShare(const Configuration& c) {
  for (const Dropped drops : {Dropped::channels, Dropped::elements}) {
    const Shape& shape = drops == Dropped::channels ? kManyChannels : kManyElements;
    for (const float rate : {0.05f, 0.5f, 0.95f}) {
      const Values y = run(c, shape, {rate, drops, 0}, {}, Values(elementsOf(shape), 1.0));
      // What is kept is worth 1 / (1 − rate): with the share, the expectation is right.
      const double kept = rounded(c.type, 1 / (1 - static_cast<double>(rate)));
      for (const double value : y) require(value == 0 || value == kept, "is neither dropped nor scaled");
      requireShare(std::ranges::count(y, 0.0), elementsOf(shape), static_cast<double>(rate), "dropped");
    }
  }
}

void dropsWholeChannels(const Configuration& c) {
  const Shape shape{3, 4, 5, 33};
  const Values y = run(c, shape, {0.5f, Dropped::channels, 0}, {}, Values(elementsOf(shape), 1.0));
  for (std::int64_t i = 0; i < elementsOf(shape); ++i)
    require(y[i] == y[i / (4 * 5 * 33) * (4 * 5 * 33) + i % 33], "pixels of a channel differ");
}

/// Two masks at rate ½ agree in half of their places where they have nothing to do with each other.
void differsWithWhatItIsFor(const Configuration& c) {
  const Values ones(elementsOf(kManyElements), 1.0);
  const auto mask = [&](std::int32_t stream, const Noise& noise) {
    return run(c, kManyElements, {0.5f, Dropped::elements, stream}, noise, ones);
  };
  const Values first = mask(0, {});
  const Noise one{};
  for (const Values& other : {mask(1, {}), mask(0, {.low = one.low + 1}), mask(0, {.high = one.high + 1}),
                              mask(0, {.run = one.run + 1}), mask(0, {.first = one.first + 2})}) {
    std::int64_t agree = 0;
    for (std::size_t i = 0; i < first.size(); ++i) agree += first[i] == other[i];
    requireShare(agree, elementsOf(kManyElements), 0.5, "agree");
  }
  std::int64_t agree = 0;
  const std::size_t half = first.size() / 2;
  for (std::size_t i = 0; i < half; ++i) agree += first[i] == first[half + i];
  requireShare(agree, elementsOf(kManyElements) / 2, 0.5, "samples agree");
}

}  // namespace

int main() {
  return runTests({
      {"dropout matches", dropoutMatches},
      {"rate 0 is the identity", rateZeroIsTheIdentity},
      {"keeps NaN", keepsNaN},
      {"samples count from the first", samplesCountFromTheFirst},
      {"keeps the right share", keepsTheRightShare},
      {"drops whole channels", dropsWholeChannels},
      {"differs with what it is for", differsWithWhatItIsFor},
  });
}

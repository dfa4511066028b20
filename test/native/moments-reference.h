#pragma once

// Moments of a map's ranges of pixels, in float64.

#include <algorithm>
#include <cmath>

#include "core/integers.h"
#include "core/moments.h"
#include "op-runner.h"

namespace ocrnet::test {

/// Of the moments of a map (N, H, W, C).
inline Shape momentsShape(const Shape& map) {
  return {divideUp(map[0] * map[1] * map[2], kMomentPixels), map[3]};
}

/// Of values (pixels, channels): means (ranges, channels), and sums of squared distances from them.
struct MomentsReference {
  std::int64_t channels, ranges;
  Values means, squares, magnitudes;

  MomentsReference(const Values& values, std::int64_t channels)
      : channels(channels),
        ranges(divideUp(static_cast<std::int64_t>(values.size()) / channels, kMomentPixels)),
        means(ranges * channels),
        squares(ranges * channels),
        magnitudes(ranges * channels) {
    const auto pixels = static_cast<std::int64_t>(values.size()) / channels;
    const auto each = [&](const auto& body) {
      for (std::int64_t i = 0; i < pixels * channels; ++i) {
        const std::int64_t range = i / channels / kMomentPixels;
        const std::int64_t count = std::min(kMomentPixels, pixels - range * kMomentPixels);
        body(range * channels + i % channels, values[i], static_cast<double>(count));
      }
    };
    each([&](std::int64_t i, double value, double count) {
      means[i] += value / count;
      magnitudes[i] += std::abs(value) / count;
    });
    each(
        [&](std::int64_t i, double value, double) { squares[i] += (value - means[i]) * (value - means[i]); });
  }

  /// Sums of up to 64 numbers in any order: a mean is off by up to 64 · 2⁻²⁴ of the mean magnitude. Distances
  /// from there add the square of that to each square, and each sum of squares is off by up to 70 · 2⁻²⁴ of
  /// what is summed, or where distances are from a mean of 16 pixels, whose squares are at most five times
  /// these, and then moved, 200 · 2⁻²⁴ of five times the squares. From a single pixel, which of random
  /// numbers is within five deviations, they are up to 26 times these: with independent roundings √200 · 2⁻²⁴
  /// of that.
  void requireNear(const Values& foundMeans, const Values& foundSquares) const {
    require(foundMeans.size() == means.size() && foundSquares.size() == squares.size(),
            "has another number of moments");
    for (std::size_t i = 0; i < means.size(); ++i) {
      const double offset = std::ldexp(64, -24) * magnitudes[i];
      requireWithin("mean", i, foundMeans[i], means[i], offset);
      requireWithin("sum of squares", i, foundSquares[i], squares[i],
                    std::ldexp(1000, -24) * squares[i] + kMomentPixels * offset * offset);
    }
  }

 private:
  static void requireWithin(const char* what, std::size_t i, double found, double expected, double bound) {
    if (std::abs(found - expected) <= bound) return;
    throw std::runtime_error(std::string(what) + " " + std::to_string(i) + ": expected " +
                             std::to_string(expected) + ", received " + std::to_string(found));
  }
};

inline Values inFloat32(Values values) {
  for (double& value : values) value = rounded(DataType::float32, value);
  return values;
}

}  // namespace ocrnet::test

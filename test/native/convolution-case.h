#pragma once

// Convolutions and their gradients by the definition, in float64.

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "op-runner.h"

namespace ocrnet::test {

struct ConvolutionCase {
  std::int64_t batch, height, width, channelsIn, channelsOut;
  std::int64_t kernel, stride, padding, dilation, groups;

  std::int64_t window(std::int64_t extent) const {
    return (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
  Shape x() const { return {batch, height, width, channelsIn}; }
  Shape filter() const { return {channelsOut, kernel, kernel, channelsIn / groups}; }
  Shape y() const { return {batch, window(height), window(width), channelsOut}; }

  std::string describe() const {
    std::string text;
    for (const std::int64_t size :
         {batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups})
      text += std::to_string(size) + " ";
    return text;
  }
};

/// visit(index in x, in the filter, in y) for each product of the convolution.
template <class Visit>
void eachProduct(const ConvolutionCase& c, const Visit& visit) {
  const std::int64_t rows = c.window(c.height), columns = c.window(c.width);
  const std::int64_t inputs = c.channelsIn / c.groups, outputs = c.channelsOut / c.groups;
  for (std::int64_t pixel = 0; pixel < c.batch * rows * columns; ++pixel) {
    const std::int64_t n = pixel / (rows * columns), row = pixel / columns % rows, column = pixel % columns;
    for (std::int64_t tap = 0; tap < c.kernel * c.kernel; ++tap) {
      const std::int64_t i = row * c.stride - c.padding + tap / c.kernel * c.dilation;
      const std::int64_t j = column * c.stride - c.padding + tap % c.kernel * c.dilation;
      if (i < 0 || i >= c.height || j < 0 || j >= c.width) continue;
      const std::int64_t x = ((n * c.height + i) * c.width + j) * c.channelsIn;
      for (std::int64_t o = 0; o < c.channelsOut; ++o) {
        const std::int64_t first = o / outputs * inputs;
        const std::int64_t taps = (o * c.kernel * c.kernel + tap) * inputs;
        for (std::int64_t k = 0; k < inputs; ++k) visit(x + first + k, taps + k, pixel * c.channelsOut + o);
      }
    }
  }
}

/// Sums and the largest sum of magnitudes.
struct SumsReference {
  Values sums, magnitudes;

  explicit SumsReference(const Shape& shape) : sums(elementsOf(shape)), magnitudes(elementsOf(shape)) {}
  void add(std::int64_t i, double term) {
    sums[i] += term;
    if (std::isfinite(term)) magnitudes[i] += std::abs(term);
  }

  /// NaN and infinity are expected where they are expected.
  void requireNear(const Values& values, double tolerance) const {
    require(values.size() == sums.size(), "has another number of elements");
    const double largest = *std::max_element(magnitudes.begin(), magnitudes.end());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == sums[i] || (std::isnan(values[i]) && std::isnan(sums[i]))) continue;
      if (std::abs(values[i] - sums[i]) <= tolerance * largest) continue;
      throw std::runtime_error("element " + std::to_string(i) + ": expected " + std::to_string(sums[i]) +
                               ", received " + std::to_string(values[i]));
    }
  }
};

}  // namespace ocrnet::test

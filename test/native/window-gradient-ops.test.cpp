// The gradients of resizeBilinear, maxPool2d and adaptiveAveragePool2d against float64: each reference
// scatters what the body gathers. Sums have at most some hundred terms: 1e-5 of the mean magnitude is far
// from their rounding.

#include <algorithm>

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

const std::vector<Shape> kShapes = {
    {1, 1, 1, 1}, {3, 5, 7, 19}, {2, 9, 6, 48}, {1, 13, 8, 150}, {2, 4, 5, 64}};

double& at(Values& x, const Shape& shape, std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t k) {
  return x[((n * shape[1] + i) * shape[2] + j) * shape[3] + k];
}

/// body(n, i, j, k, index) for each element, in order.
template <class Body>
void each(const Shape& shape, const Body& body) {
  std::int64_t index = 0;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t i = 0; i < shape[1]; ++i) {
      for (std::int64_t j = 0; j < shape[2]; ++j) {
        for (std::int64_t k = 0; k < shape[3]; ++k) body(n, i, j, k, index++);
      }
    }
  }
}

double sourceOf(std::int64_t i, std::int64_t input, std::int64_t output, bool alignCorners) {
  if (alignCorners) return output == 1 ? 0.0 : static_cast<double>(i) * (input - 1) / (output - 1);
  return std::max(0.0, (i + 0.5) * input / output - 0.5);
}

Values resizeGradient(const Values& dy, const Shape& outputShape, const Shape& shape, bool alignCorners) {
  Values dx(elementsOf(shape));
  each(outputShape, [&](auto n, auto i, auto j, auto k, auto index) {
    const double row = sourceOf(i, shape[1], outputShape[1], alignCorners);
    const double column = sourceOf(j, shape[2], outputShape[2], alignCorners);
    const auto top = static_cast<std::int64_t>(row), left = static_cast<std::int64_t>(column);
    const std::int64_t below = std::min(top + 1, shape[1] - 1), right = std::min(left + 1, shape[2] - 1);
    const double v = row - top, h = column - left;
    at(dx, shape, n, top, left, k) += (1 - v) * (1 - h) * dy[index];
    at(dx, shape, n, top, right, k) += (1 - v) * h * dy[index];
    at(dx, shape, n, below, left, k) += v * (1 - h) * dy[index];
    at(dx, shape, n, below, right, k) += v * h * dy[index];
  });
  return dx;
}

void resizeGradientMatches(const Configuration& c) {
  if (!c.trains()) return;
  for (const Shape& shape : kShapes) {
    for (const auto& [height, width] :
         {std::pair{1, 1}, {5, 7}, {10, 14}, {36, 24}, {17, 23}, {2, 37}, {3, 2}}) {
      for (const bool alignCorners : {false, true}) {
        const Shape outputShape{shape[0], height, width, shape[3]};
        // Not around 0, where sums of many terms cancel: the tolerance is relative to the sum.
        Values dy = randomValues(c.type, outputShape);
        for (double& value : dy) value = rounded(c.type, value + 2);
        const auto run = [&, height = height, width = width](int threads) {
          OpRunner runner(
              Opcode::resizeBilinearGradient,
              ResizeBilinearGradientAttributes{static_cast<std::int32_t>(shape[1]),
                                               static_cast<std::int32_t>(shape[2]), alignCorners});
          runner.input(c.type, outputShape, dy, c.gap).output(c.type, shape, 2 * c.gap);
          return runner.run(c.withThreads(threads))[0];
        };
        const Values dx = run(c.threads);
        requireClose(dx, resizeGradient(dy, outputShape, shape, alignCorners), c.tolerance());
        requireClose(run(3), dx, 0);
      }
    }
  }
}

struct Window {
  int kernel, stride, padding;
  bool ceilMode;

  std::int64_t count(std::int64_t size) const {
    const std::int64_t room = size + 2 * padding - kernel;
    const std::int64_t windows = (room + (ceilMode ? stride - 1 : 0)) / stride + 1;
    return ceilMode && (windows - 1) * stride >= size + padding ? windows - 1 : windows;
  }
};

Values maxPoolGradient(Values x, const Shape& shape, const Values& dy, const Shape& outputShape,
                       const Window& window) {
  Values dx(x.size());
  each(outputShape, [&](auto n, auto i, auto j, auto k, auto index) {
    double most = -kInfinity;
    double* place = nullptr;
    for (std::int64_t row = i * window.stride - window.padding, r = 0; r < window.kernel; ++r, ++row) {
      for (std::int64_t column = j * window.stride - window.padding, s = 0; s < window.kernel;
           ++s, ++column) {
        if (row < 0 || row >= shape[1] || column < 0 || column >= shape[2]) continue;
        const double value = at(x, shape, n, row, column, k);
        if (place && !(value > most) && !std::isnan(value)) continue;
        most = value;
        place = &at(dx, shape, n, row, column, k);
      }
    }
    // Every window holds a pixel of the image.
    if (place != nullptr) *place += dy[index];
  });
  return dx;
}

void maxPoolGradientMatches(const Configuration& c) {
  if (!c.trains()) return;
  for (const Shape& shape : kShapes) {
    for (const Window& window : {Window{3, 2, 1, false}, Window{3, 2, 1, true}, Window{2, 2, 0, true},
                                 Window{1, 1, 0, false}, Window{2, 3, 1, false}, Window{5, 1, 2, false}}) {
      if (shape[1] + 2 * window.padding < window.kernel || shape[2] + 2 * window.padding < window.kernel)
        continue;
      Values x = randomValues(c.type, shape);
      // Ties, windows of −∞ alone, NaNs alone and side by side.
      for (std::size_t i = 0; i < x.size(); i += 2) x[i] = std::round(x[i]);
      for (std::size_t i = 0; i < x.size() / 5; ++i) x[i] = -kInfinity;
      for (std::size_t i = x.size() / 2; i < x.size(); i += 37) x[i] = kNaN;
      if (x.size() > 1000) std::fill(x.end() - 500, x.end(), kNaN);
      const Shape outputShape{shape[0], window.count(shape[1]), window.count(shape[2]), shape[3]};
      const Values dy = randomValues(c.type, outputShape);
      const auto run = [&](int threads) {
        OpRunner runner(
            Opcode::maxPool2dGradient,
            MaxPool2dGradientAttributes{window.kernel, window.stride, window.padding, window.ceilMode});
        runner.input(c.type, shape, x, c.gap)
            .input(c.type, outputShape, dy, 2 * c.gap)
            .output(c.type, shape, 3 * c.gap);
        return runner.run(c.withThreads(threads))[0];
      };
      const Values dx = run(c.threads);
      requireClose(dx, maxPoolGradient(x, shape, dy, outputShape, window), c.tolerance());
      requireClose(run(3), dx, 0);
    }
  }
}

void adaptiveAveragePoolGradientMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const auto& [height, width] : {std::pair{1, 1}, {2, 3}, {6, 6}, {20, 9}}) {
      const Shape outputShape{shape[0], height, width, shape[3]};
      const Values dy = randomValues(c.type, outputShape);
      Values expected(elementsOf(shape));
      each(outputShape, [&, height = height, width = width](auto n, auto i, auto j, auto k, auto index) {
        const std::int64_t top = i * shape[1] / height, left = j * shape[2] / width;
        std::int64_t bottom = top, right = left;
        while (bottom * height < (i + 1) * shape[1]) ++bottom;
        while (right * width < (j + 1) * shape[2]) ++right;
        const double share = dy[index] / static_cast<double>((bottom - top) * (right - left));
        for (std::int64_t row = top; row < bottom; ++row) {
          for (std::int64_t column = left; column < right; ++column)
            at(expected, shape, n, row, column, k) += share;
        }
      });
      for (double& value : expected) value = rounded(c.type, value);
      OpRunner runner(Opcode::adaptiveAveragePool2dGradient,
                      AdaptiveAveragePool2dGradientAttributes{static_cast<std::int32_t>(shape[1]),
                                                              static_cast<std::int32_t>(shape[2])});
      runner.input(c.type, outputShape, dy, c.gap).output(c.type, shape, 2 * c.gap);
      requireClose(runner.run(c)[0], expected, c.tolerance());
    }
  }
}

}  // namespace

int main() {
  return runTests({
      {"resizeBilinearGradient matches", resizeGradientMatches},
      {"maxPool2dGradient matches", maxPoolGradientMatches},
      {"adaptiveAveragePool2dGradient matches", adaptiveAveragePoolGradientMatches},
  });
}

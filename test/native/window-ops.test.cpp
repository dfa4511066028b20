// maxPool2d, adaptiveAveragePool2d, resizeBilinear and resizeArgmax against float64.

#include <algorithm>

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

const std::vector<Shape> kShapes = {{1, 1, 1, 1}, {3, 5, 7, 19}, {2, 9, 6, 48}, {1, 13, 8, 150}};

/// x[n][i][j][k] of values in (N, H, W, C).
double at(const Values& x, const Shape& shape, std::int64_t n, std::int64_t i, std::int64_t j,
          std::int64_t k) {
  return x[((n * shape[1] + i) * shape[2] + j) * shape[3] + k];
}

/// value(n, i, j, k) for each element, in order.
template <class Value>
Values generate(const Shape& shape, const Value& value) {
  Values values;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t i = 0; i < shape[1]; ++i) {
      for (std::int64_t j = 0; j < shape[2]; ++j) {
        for (std::int64_t k = 0; k < shape[3]; ++k) values.push_back(value(n, i, j, k));
      }
    }
  }
  return values;
}

void maxPoolMatches(const Configuration& c) {
  struct Window {
    int kernel, stride, padding;
    bool ceilMode;
  };
  for (const Shape& shape : kShapes) {
    for (const auto& [kernel, stride, padding, ceilMode] :
         {Window{3, 2, 1, false}, Window{3, 2, 1, true}, Window{2, 2, 0, true}, Window{1, 1, 0, false}}) {
      const auto count = [&, kernel = kernel, stride = stride, padding = padding,
                          ceilMode = ceilMode](std::int64_t size) {
        const std::int64_t room = size + 2 * padding - kernel;
        const std::int64_t windows = (room + (ceilMode ? stride - 1 : 0)) / stride + 1;
        return ceilMode && (windows - 1) * stride >= size + padding ? windows - 1 : windows;
      };
      if (shape[1] + 2 * padding < kernel || shape[2] + 2 * padding < kernel) continue;
      Values x = randomValues(c.type, shape);
      x[0] = -kInfinity;
      x[x.size() / 2] = kNaN;
      const Shape outputShape{shape[0], count(shape[1]), count(shape[2]), shape[3]};
      const Values expected = generate(outputShape, [&](auto n, auto i, auto j, auto k) {
        double most = -kInfinity;
        for (std::int64_t row = i * stride - padding; row < i * stride - padding + kernel; ++row) {
          for (std::int64_t column = j * stride - padding; column < j * stride - padding + kernel; ++column) {
            if (row < 0 || row >= shape[1] || column < 0 || column >= shape[2]) continue;
            const double value = at(x, shape, n, row, column, k);
            if (value > most || std::isnan(value)) most = value;
          }
        }
        return most;
      });
      OpRunner runner(Opcode::maxPool2d, MaxPool2dAttributes{kernel, stride, padding, ceilMode});
      runner.input(c.type, shape, x, c.gap).output(c.type, outputShape, 2 * c.gap);
      requireClose(runner.run(c)[0], expected, 0);
    }
  }
}

void adaptiveAveragePoolMatches(const Configuration& c) {
  std::vector<Shape> shapes = kShapes;
  shapes.push_back({1, 40, 33, 5});  // a cell so large that GPUs share it out
  for (const Shape& shape : shapes) {
    for (const auto& [height, width] : {std::pair{1, 1}, {2, 3}, {6, 6}}) {
      const Values x = randomValues(c.type, shape);
      const Shape outputShape{shape[0], height, width, shape[3]};
      const Values expected = generate(outputShape, [&, height = height, width = width](auto n, auto i,
                                                                                        auto j, auto k) {
        double sum = 0;
        int count = 0;
        for (std::int64_t row = i * shape[1] / height; row * height < (i + 1) * shape[1]; ++row) {
          for (std::int64_t column = j * shape[2] / width; column * width < (j + 1) * shape[2]; ++column) {
            sum += at(x, shape, n, row, column, k);
            ++count;
          }
        }
        return rounded(c.type, sum / count);
      });
      OpRunner runner(Opcode::adaptiveAveragePool2d, AdaptiveAveragePool2dAttributes{height, width});
      runner.input(c.type, shape, x, c.gap).output(c.type, outputShape, 2 * c.gap);
      requireClose(runner.run(c)[0], expected, c.tolerance());
    }
  }
}

double sourceOf(std::int64_t i, std::int64_t input, std::int64_t output, bool alignCorners) {
  if (alignCorners) return output == 1 ? 0.0 : static_cast<double>(i) * (input - 1) / (output - 1);
  return std::max(0.0, (i + 0.5) * input / output - 0.5);
}

double bilinear(const Values& x, const Shape& shape, std::int64_t n, double row, double column,
                std::int64_t k) {
  const auto i = static_cast<std::int64_t>(row), j = static_cast<std::int64_t>(column);
  const std::int64_t below = std::min(i + 1, shape[1] - 1), right = std::min(j + 1, shape[2] - 1);
  const double v = row - i, h = column - j;
  return (1 - v) * ((1 - h) * at(x, shape, n, i, j, k) + h * at(x, shape, n, i, right, k)) +
         v * ((1 - h) * at(x, shape, n, below, j, k) + h * at(x, shape, n, below, right, k));
}

const std::pair<int, int> kSizes[] = {{1, 1}, {5, 7}, {10, 14}, {17, 23}, {2, 37}};

void resizeMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const auto& size : kSizes) {
      const auto [height, width] = size;
      for (const bool alignCorners : {false, true}) {
        const Shape outputShape{shape[0], height, width, shape[3]};
        const Values x = randomValues(c.type, shape), residual = randomValues(c.type, outputShape);
        const Activation activation = kActivations[(height + alignCorners) % 4];
        for (const int mode : {0, 1, 2}) {  // no residual, a residual, in its place
          const Values expected =
              generate(outputShape, [&, height = height, width = width](auto n, auto i, auto j, auto k) {
                const double row = sourceOf(i, shape[1], height, alignCorners);
                const double column = sourceOf(j, shape[2], width, alignCorners);
                const double added = mode == 0 ? 0 : at(residual, outputShape, n, i, j, k);
                return rounded(c.type,
                               activated(bilinear(x, shape, n, row, column, k) + added, activation, kSlope));
              });
          OpRunner runner(Opcode::resizeBilinear,
                          ResizeBilinearAttributes{height, width, alignCorners, activation, kSlope});
          runner.input(c.type, shape, x, c.gap);
          mode == 0 ? runner.absentInput() : runner.input(c.type, outputShape, residual, 2 * c.gap);
          mode == 2 ? runner.outputInPlaceOf(1) : runner.output(c.type, outputShape, 3 * c.gap);
          requireClose(runner.run(c)[0], expected, c.tolerance());
        }
      }
    }
  }
}

void resizeTapsMatches(const Configuration& c) {
  struct Case {
    std::vector<std::pair<int, int>> maps;
    int channels, height, width, kernel, dilation;
  };
  for (const auto& [maps, channels, height, width, kernel, dilation] :
       {Case{{{1, 1}}, 1, 1, 1, 1, 1}, Case{{{3, 4}}, 19, 7, 5, 3, 1},
        Case{{{1, 1}, {2, 2}, {3, 3}, {6, 6}}, 48, 9, 14, 3, 1}, Case{{{4, 2}, {9, 9}}, 150, 5, 6, 1, 1},
        Case{{{5, 3}}, 21, 6, 70, 3, 4}, Case{{{2, 3}, {1, 7}}, 16, 4, 5, 5, 3},
        Case{{{2, 2}, {3, 2}, {4, 2}, {5, 2}, {6, 2}, {7, 2}}, 3, 3, 4, 3, 9}}) {
    for (const bool alignCorners : {false, true}) {
      const std::int64_t batch = channels % 2 + 1;
      const Shape outputShape{batch, height, width, channels};
      const Activation activation = kActivations[(height + alignCorners) % 4];
      std::vector<Shape> shapes;
      std::vector<Values> values;
      for (const auto& [h, w] : maps) {
        shapes.push_back({batch, h, w, kernel * kernel * channels});
        values.push_back(randomValues(DataType::float32, shapes.back()));
      }
      const Values residual = randomValues(c.type, outputShape);
      for (const int mode : {0, 1, 2}) {  // no residual, a residual, in its place
        const Values expected =
            generate(outputShape, [&, channels = channels, height = height, width = width, kernel = kernel,
                                   dilation = dilation](auto n, auto i, auto j, auto k) {
              double sum = mode == 0 ? 0 : at(residual, outputShape, n, i, j, k);
              for (std::int64_t tap = 0; tap < kernel * kernel; ++tap) {
                const std::int64_t row = i + (tap / kernel - kernel / 2) * dilation;
                const std::int64_t column = j + (tap % kernel - kernel / 2) * dilation;
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                for (std::size_t map = 0; map < shapes.size(); ++map) {
                  const Shape& shape = shapes[map];
                  sum += bilinear(values[map], shape, n, sourceOf(row, shape[1], height, alignCorners),
                                  sourceOf(column, shape[2], width, alignCorners), tap * channels + k);
                }
              }
              return rounded(c.type, activated(sum, activation, kSlope));
            });
        OpRunner runner(Opcode::resizeTaps,
                        ResizeTapsAttributes{height, width, kernel, dilation, alignCorners, activation,
                                             kSlope, c.floatType()});
        for (std::size_t map = 0; map < 6; ++map) {
          map < maps.size() ? runner.input(DataType::float32, shapes[map], values[map], c.gap)
                            : runner.absentInput();
        }
        mode == 0 ? runner.absentInput() : runner.input(c.type, outputShape, residual, 2 * c.gap);
        mode == 2 ? runner.outputInPlaceOf(6) : runner.output(c.type, outputShape, 3 * c.gap);
        requireClose(runner.run(c)[0], expected, c.tolerance());
      }
    }
  }
}

/// The labels must have (almost) the highest score; the confidence is that of the label.
void checkLabels(const Values& logits, const Shape& shape, const Shape& outputShape, bool alignCorners,
                 const Values& labels, const Values* confidence, double tolerance) {
  std::size_t pixel = 0;
  Values probabilities;
  generate({outputShape[0], outputShape[1], outputShape[2], 1}, [&](auto n, auto i, auto j, auto) {
    Values scores;
    for (std::int64_t k = 0; k < shape[3]; ++k) {
      scores.push_back(bilinear(logits, shape, n, sourceOf(i, shape[1], outputShape[1], alignCorners),
                                sourceOf(j, shape[2], outputShape[2], alignCorners), k));
    }
    const double most = *std::max_element(scores.begin(), scores.end());
    require(labels[pixel] < shape[3], "a label that is no class");
    require(scores[labels[pixel]] >= most - tolerance, "a label with a lower score than another");
    double sum = 0;
    for (const double score : scores) sum += std::exp(score - most);
    probabilities.push_back(1 / sum);
    ++pixel;
    return 0.0;
  });
  if (confidence) requireClose(*confidence, probabilities, 1e-5);
}

void resizeArgmaxMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const auto& [height, width] : kSizes) {
      for (const bool alignCorners : {false, true}) {
        const Values logits = randomValues(DataType::float32, shape, 4);
        const Shape outputShape{shape[0], height, width};
        const bool small =
            c.type != DataType::float32;  // the input is float32 always: vary the labels instead
        for (const bool withConfidence : {false, true}) {
          OpRunner runner(Opcode::resizeArgmax,
                          ResizeArgmaxAttributes{height, width, alignCorners,
                                                 small ? LabelType::uint8 : LabelType::uint16});
          runner.input(DataType::float32, shape, logits)
              .output(small ? DataType::uint8 : DataType::uint16, outputShape);
          withConfidence ? runner.output(DataType::float32, outputShape) : runner.absentOutput();
          const std::vector<Values> results = runner.run(c);
          checkLabels(logits, shape, outputShape, alignCorners, results[0],
                      withConfidence ? &results[1] : nullptr, 1e-5);
        }
      }
    }
  }
}

void resizeArgmaxTakesExtremes(const Configuration& c) {
  // Pixels of three classes: a tie, huge scores, −∞, NaN.
  const Shape shape{1, 1, 5, 3};
  const Values logits = {2, 2, 1, -1e30, 1e30, 1e30, -kInfinity, -kInfinity, 0, kNaN, kNaN, kNaN, 1, kNaN, 2};
  OpRunner runner(Opcode::resizeArgmax, ResizeArgmaxAttributes{1, 5, true, LabelType::uint8});
  runner.input(DataType::float32, shape, logits)
      .output(DataType::uint8, {1, 1, 5})
      .output(DataType::float32, {1, 1, 5});
  const std::vector<Values> results = runner.run(c);
  // The weight of the right neighbour is 0, but 0 · NaN and 0 · −∞ are NaN: only pixels beside finite ones
  // are exact.
  require(results[0][0] == 0, "a tie goes to the lowest class");
  require(results[0][4] == 2, "NaN does not win");
  requireClose({results[1][0]}, {1 / (2 + std::exp(-1.0))}, 1e-5);
  for (const double label : results[0]) require(label < 3, "a label that is no class");
}

}  // namespace

int main() {
  return runTests({
      {"maxPool2d matches", maxPoolMatches},
      {"adaptiveAveragePool2d matches", adaptiveAveragePoolMatches},
      {"resizeBilinear matches", resizeMatches},
      {"resizeTaps matches", resizeTapsMatches},
      {"resizeArgmax matches", resizeArgmaxMatches},
      {"resizeArgmax takes extremes", resizeArgmaxTakesExtremes},
  });
}

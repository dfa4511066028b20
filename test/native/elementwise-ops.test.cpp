// scaleShift, activate, add, cast, concat and normalizeImage against float64.

#include "op-runner.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

const std::vector<Shape> kShapes = {
    {1, 1, 1, 1}, {3, 5, 7, 19}, {2, 3, 3, 48}, {1, 17, 31, 3}, {1, 29, 20, 70}};

void scaleShiftMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const Activation activation : kActivations) {
      for (const bool withResidual : {false, true}) {
        const Values x = randomValues(c.type, shape, 3), residual = randomValues(c.type, shape);
        const Values scale = randomValues(DataType::float32, {shape[3]});
        const Values shift = randomValues(DataType::float32, {shape[3]});
        Values expected;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::size_t k = i % shape[3];
          const double y = x[i] * scale[k] + shift[k] + (withResidual ? residual[i] : 0);
          expected.push_back(rounded(c.type, activated(y, activation, kSlope)));
        }
        for (const bool inPlace : {false, true}) {
          OpRunner runner(Opcode::scaleShift, ScaleShiftAttributes{activation, kSlope});
          runner.input(c.type, shape, x, c.gap)
              .input(DataType::float32, {shape[3]}, scale)
              .input(DataType::float32, {shape[3]}, shift);
          withResidual ? runner.input(c.type, shape, residual, 2 * c.gap) : runner.absentInput();
          inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, c.gap);
          requireClose(runner.run(c)[0], expected, c.tolerance());
        }
      }
    }
  }
}

void activateMatches(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    for (const Activation activation : kActivations) {
      const Values x = randomValues(c.type, shape, 5);
      Values expected;
      for (const double value : x) expected.push_back(rounded(c.type, activated(value, activation, kSlope)));
      for (const bool inPlace : {false, true}) {
        OpRunner runner(Opcode::activate, ActivateAttributes{activation, kSlope});
        runner.input(c.type, shape, x, c.gap);
        inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, 2 * c.gap);
        requireClose(runner.run(c)[0], expected, c.tolerance());
      }
    }
  }
}

void activateKeepsNaN(const Configuration& c) {
  const Shape shape{1, 1, 9, 5};
  Values x(elementsOf(shape), 1.0);
  x[0] = x[17] = x[44] = kNaN;
  x[1] = kInfinity;
  x[2] = -kInfinity;
  for (const Activation activation : kActivations) {
    Values expected;
    for (const double value : x) expected.push_back(rounded(c.type, activated(value, activation, kSlope)));
    OpRunner runner(Opcode::activate, ActivateAttributes{activation, kSlope});
    runner.input(c.type, shape, x, c.gap).output(c.type, shape, c.gap);
    requireClose(runner.run(c)[0], expected, c.tolerance());
  }
}

void addMatches(const Configuration& c) {
  std::vector<Shape> shapes = kShapes;
  shapes.insert(shapes.end(), {{1}, {2017}});  // gradients of vectors, too
  for (const Shape& shape : shapes) {
    for (const Activation activation : kActivations) {
      const Values a = randomValues(c.type, shape, 3), b = randomValues(c.type, shape, 3);
      Values expected;
      for (std::size_t i = 0; i < a.size(); ++i) {
        expected.push_back(rounded(c.type, activated(a[i] + b[i], activation, kSlope)));
      }
      for (const bool inPlace : {false, true}) {
        OpRunner runner(Opcode::add, AddAttributes{activation, kSlope});
        runner.input(c.type, shape, a, c.gap).input(c.type, shape, b, 3 * c.gap);
        inPlace ? runner.outputInPlaceOf(0) : runner.output(c.type, shape, 2 * c.gap);
        requireClose(runner.run(c)[0], expected, c.tolerance());
      }
    }
  }
}

void castRoundsToNearestEven(const Configuration& c) {
  for (const Shape& shape : kShapes) {
    Values x = randomValues(DataType::float32, shape);
    // Halfway between two bfloat16 and two float16, below an even and an odd one; what rounds up to infinity;
    // what must stay NaN; between two subnormal numbers of float16, and below the first.
    const double special[] = {1 + 1.0 / 256, 1 + 3.0 / 256, 1 + 0x1p-11, 1 + 0x3p-11, 3.4028235e38, 65520,
                              -65519,        -kInfinity,    kNaN,        0x3p-25,     -0x1p-25,     1e-40};
    for (std::size_t i = 0; i < std::min(std::size(special), x.size()); ++i) x[x.size() - 1 - i] = special[i];
    for (const DataType from : {DataType::float32, c.type}) {
      Values input, expected;
      for (const double value : x) {
        input.push_back(rounded(from, value));
        expected.push_back(rounded(c.type, input.back()));
      }
      OpRunner runner(Opcode::cast, CastAttributes{c.floatType()});
      runner.input(from, shape, input, c.gap).output(c.type, shape, 2 * c.gap);
      requireClose(runner.run(c)[0], expected, 0);
    }
  }
}

void concatMatches(const Configuration& c) {
  for (const std::vector<std::int64_t>& channels :
       {std::vector<std::int64_t>{1, 1}, {19, 3, 48}, {5, 16, 1, 32, 7, 2}}) {
    const std::int64_t pixels = 3 * 5 * 7;
    OpRunner runner(Opcode::concat, ConcatAttributes{});
    std::vector<Values> parts;
    std::int64_t total = 0;
    for (const std::int64_t count : channels) {
      parts.push_back(randomValues(c.type, {3, 5, 7, count}));
      runner.input(c.type, {3, 5, 7, count}, parts.back(), count % 3 * c.gap);
      total += count;
    }
    for (std::size_t i = channels.size(); i < 6; ++i) runner.absentInput();
    Values expected;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (std::size_t i = 0; i < parts.size(); ++i) {
        for (std::int64_t k = 0; k < channels[i]; ++k) expected.push_back(parts[i][pixel * channels[i] + k]);
      }
    }
    runner.output(c.type, {3, 5, 7, total}, c.gap);
    requireClose(runner.run(c)[0], expected, 0);
  }
}

/// The first input's table entry says that it already lies in the output; its memory here holds something
/// else, so a copy would show.
void concatLeavesPartsInPlace(const Configuration& c) {
  const Shape shape{1, 2, 3, 4};
  OpRunner runner(Opcode::concat, ConcatAttributes{});
  runner.input(c.type, shape, Values(24, 1.0), 4 + c.gap).input(c.type, shape, Values(24, 2.0), c.gap);
  for (int i = 0; i < 4; ++i) runner.absentInput();
  runner.output(c.type, {1, 2, 3, 8}, c.gap);
  for (TensorInfo& tensor : runner.plan().tensors) tensor.storage = Storage::arena;
  runner.plan().tensors[1].offset = 4096;
  runner.memoryOf(2).write(Values(48, 3.0));
  Values expected;
  for (int i = 0; i < 48; ++i) expected.push_back(i % 8 < 4 ? 3 : 2);
  requireClose(runner.run(c)[0], expected, 0);
}

void normalizeImageMatches(const Configuration& c) {
  for (const Shape& shape :
       {Shape{3, 5, 7, 3}, Shape{1, 1, 1, 3}, Shape{2, 9, 4, 1}, Shape{1, 120, 65, 3}, Shape{1, 3, 5, 4}}) {
    Values image;
    for (std::int64_t i = 0; i < elementsOf(shape); ++i) image.push_back(i * 37 % 256);
    const Values scale = randomValues(DataType::float32, {shape[3]}),
                 shift = randomValues(DataType::float32, {shape[3]});
    for (const bool reverse : {false, true}) {
      Values expected;
      for (std::size_t i = 0; i < image.size(); ++i) {
        const std::size_t k = i % shape[3];
        const double byte = image[reverse ? i - k + shape[3] - 1 - k : i];
        expected.push_back(rounded(c.type, byte * scale[k] + shift[k]));
      }
      OpRunner runner(Opcode::normalizeImage, NormalizeImageAttributes{reverse, c.floatType()});
      runner.input(DataType::uint8, shape, image)
          .input(DataType::float32, {shape[3]}, scale)
          .input(DataType::float32, {shape[3]}, shift)
          .output(c.type, shape);
      requireClose(runner.run(c)[0], expected, c.tolerance());
    }
  }
}

void otherAlgorithmsAreRefused(const Configuration&) {
  Plan plan{};
  plan.tensors.push_back({DataType::float32, 4, {1, 1, 1, 1}, Storage::arena, 0, 0, 1});
  plan.steps.push_back({Opcode::activate, "step", {0}, {0}, ActivateAttributes{}, 7, 0, 0});
  Weights weights;
  try {
    cpu::activateOp.prepare({plan, plan.steps[0]}, {1, cpu::bestIsa(), false}, weights);
  } catch (const Error& error) {
    return require(std::string(error.code()) == "INVALID_PLAN", "expected INVALID_PLAN");
  }
  throw std::runtime_error("accepted an algorithm that it does not have");
}

}  // namespace

int main() {
  return runTests({
      {"scaleShift matches", scaleShiftMatches},
      {"activate matches", activateMatches},
      {"activate keeps NaN", activateKeepsNaN},
      {"add matches", addMatches},
      {"cast rounds to nearest even", castRoundsToNearestEven},
      {"concat matches", concatMatches},
      {"concat leaves parts in place", concatLeavesPartsInPlace},
      {"normalizeImage matches", normalizeImageMatches},
      {"other algorithms are refused", otherAlgorithmsAreRefused},
  });
}

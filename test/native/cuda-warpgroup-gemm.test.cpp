// Convolutions and input gradients by the instructions of Hopper GPUs, with tiles of each width: more tiles
// than multiprocessors, tiles that reach from image to image, strides, taps far outside; and which problems
// the copy engine cannot walk. Other sizes: cuda-conv2d.test.cpp, cuda-conv2d-gradients.test.cpp.

#include "cuda-convolution.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;
using cuda::conv::Algorithm;

constexpr const Algorithm* kConvolutions[] = {&cuda::conv::warpgroupGemm64, &cuda::conv::warpgroupGemm96,
                                              &cuda::conv::warpgroupGemm128, &cuda::conv::warpgroupGemm192,
                                              &cuda::conv::warpgroupGemm256};
constexpr const Algorithm* kGradients[] = {
    &cuda::conv::warpgroupFilterGradient64, &cuda::conv::warpgroupFilterGradient128,
    &cuda::conv::warpgroupFilterGradient192, &cuda::conv::warpgroupFilterGradient256};

cuda::Device roundingDevice(const cuda::Device& device) {
  cuda::Device other = device;
  other.tf32 = true;
  return other;
}

/// By the algorithm of this test's own number.
template <const auto& algorithms, auto describe>
const cuda::Op kOp{
    .choose = [](const StepDescription& step, const cuda::Device& device) -> Choice {
      const cuda::conv::Problem problem = describe(step);
      const Algorithm& algorithm = *algorithms[forced.number];
      if (!algorithm.supports(problem, roundingDevice(device))) throw Unsupported();
      const cuda::conv::Estimate estimate = algorithm.estimate(problem, device);
      forced.name = estimate.name;
      return {forced.number, "forced", estimate.scratchBytes};
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters& parameters) {
          return algorithms[forced.number]->prepare(describe(step), step, roundingDevice(device), parameters);
        }};

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const ConvolutionCase kCases[] = {
    {2, 11, 13, 72, 192, 3, 1, 1, 1, 1},   // a tile in two images; 64 and 8 channels of a tap
    {3, 15, 13, 64, 96, 3, 2, 1, 1, 1},    // strides
    {1, 20, 33, 72, 232, 1, 1, 0, 1, 1},   // some tiles for each multiprocessor
    {1, 15, 33, 16, 64, 3, 1, 36, 36, 1},  // most taps outside
    {5, 3, 5, 24, 40, 5, 3, 2, 1, 1},      // images smaller than tiles, columns without a channel
};

Values convolve(const Configuration& configuration, const ConvolutionCase& c, const Values& x,
                const Values& filter) {
  OpRunner runner(Opcode::conv2d, Conv2dAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                   number(c.groups), Activation::none, 0, OutputType::same});
  runner.onCuda(kOp<kConvolutions, cuda::conv::describeConvolution>).input(configuration.type, c.x(), x, 8);
  runner.input(DataType::float32, c.filter(), filter).absentInput().absentInput();
  runner.output(configuration.type, c.y(), 16);
  return runner.run(configuration).front();
}

Values inputGradient(const Configuration& configuration, const ConvolutionCase& c, const Values& dy,
                     const Values& filter) {
  OpRunner runner(Opcode::conv2dInputGradient,
                  Conv2dInputGradientAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                number(c.groups), number(c.height), number(c.width)});
  runner.onCuda(kOp<kConvolutions, cuda::conv::describeInputGradient>)
      .input(configuration.type, c.y(), dy, 8);
  runner.parameter("filter", c.filter(), filter).absentInput().output(configuration.type, c.x(), 16);
  return runner.run(configuration).front();
}

Values filterGradient(const Configuration& configuration, const ConvolutionCase& c, const Values& x,
                      const Values& dy) {
  OpRunner runner(Opcode::conv2dFilterGradient,
                  Conv2dFilterGradientAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                 number(c.groups), number(c.kernel), number(c.kernel)});
  runner.onCuda(kOp<kGradients, cuda::conv::describeFilterGradient>).input(configuration.type, c.x(), x, 8);
  runner.input(configuration.type, c.y(), dy, 16).output(DataType::float32, c.filter());
  return runner.run(configuration).front();
}

/// How many of the algorithms ran.
template <class Run>
int byEach(const Configuration& configuration, const ConvolutionCase& c, const SumsReference& expected,
           const Run& run) {
  int ran = 0;
  for (std::uint32_t i = 0; i < std::size(kConvolutions); ++i) {
    forced = {i, true, ""};
    try {
      const Values values = run();
      expected.requireNear(values, forcedTolerance(configuration));
      ++ran;
    } catch (const Unsupported&) {
    } catch (const std::exception& error) {
      throw std::runtime_error(c.describe() + "by " + forced.name + ": " + error.what());
    }
  }
  return ran;
}

void convolutions(const Configuration& configuration) {
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(configuration.type, c.x()),
                 filter = randomValues(DataType::float32, c.filter());
    SumsReference expected(c.y());
    eachProduct(c,
                [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(j, x[i] * filter[w]); });
    const int ran = byEach(configuration, c, expected, [&] { return convolve(configuration, c, x, filter); });
    require(ran > 0, c.describe() + "runs by none");
  }
}

void inputGradients(const Configuration& configuration) {
  for (const ConvolutionCase& c : kCases) {
    const Values dy = randomValues(configuration.type, c.y()),
                 filter = randomValues(DataType::float32, c.filter());
    SumsReference expected(c.x());
    eachProduct(c,
                [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(i, dy[j] * filter[w]); });
    const int ran =
        byEach(configuration, c, expected, [&] { return inputGradient(configuration, c, dy, filter); });
    require((ran > 0) == (c.stride == 1), c.describe() + "runs by " + std::to_string(ran));
  }
}

void filterGradients(const Configuration& configuration) {
  if (configuration.type == DataType::float32) return;  // the instructions have no such operands
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(configuration.type, c.x()), dy = randomValues(configuration.type, c.y());
    SumsReference expected(c.filter());
    eachProduct(c, [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(w, x[i] * dy[j]); });
    int ran = 0;
    for (forced = {0, true, ""}; forced.number < std::size(kGradients); ++forced.number) {
      try {
        expected.requireNear(filterGradient(configuration, c, x, dy), configuration.tolerance());
        ++ran;
      } catch (const Unsupported&) {
      } catch (const std::exception& error) {
        throw std::runtime_error(c.describe() + "by " + forced.name + ": " + error.what());
      }
    }
    require(ran > 0, c.describe() + "runs by none");
  }
}

void refusals(const Configuration& configuration) {
  const auto ran = [&](const ConvolutionCase& c) {
    const Values x = randomValues(configuration.type, c.x()),
                 filter = randomValues(DataType::float32, c.filter());
    SumsReference expected(c.y());
    eachProduct(c,
                [&](std::int64_t i, std::int64_t w, std::int64_t j) { expected.add(j, x[i] * filter[w]); });
    return byEach(configuration, c, expected, [&] { return convolve(configuration, c, x, filter); });
  };
  require(ran({1, 1, 1, 8, 8, 3, 1, 127, 127, 1}) == 1, "taps 254 pixels apart can be walked");
  require(ran({1, 3, 3, 8, 8, 3, 1, 127, 128, 1}) == 0, "taps 256 pixels apart cannot");
  require(ran({1, 3, 3, 8, 8, 1, 1, 128, 1, 1}) == 0, "nor 128 pixels outside");
  require(ran({1, 9, 9, 8, 8, 1, 8, 0, 1, 1}) == 1, "strides of 8 can");
  require(ran({1, 10, 10, 8, 8, 1, 9, 0, 1, 1}) == 0, "strides of 9 cannot");
  require(ran({1, 3, 3, 8, 12, 1, 1, 0, 1, 1}) == 0, "results are written in eights");
  require(ran({1, 3, 3, 16, 16, 1, 1, 0, 1, 2}) == 0, "there are no groups");
}

}  // namespace

int main() {
  std::vector<Configuration> configurations = cudaConfigurations();
  std::erase_if(configurations, [](const Configuration& c) {
    return c.type == DataType::float32 && c.schedule != Schedule::random;  // types differ in little
  });
  return runTests({{"convolutions", convolutions},
                   {"input gradients", inputGradients},
                   {"filters' gradients", filterGradients},
                   {"what the copy engine cannot walk", refusals}},
                  configurations);
}

// cuDNN as an algorithm of convolutions and their gradients, against the definition in float64: on a GPU the
// library that is found there; in the emulation what stands in for it, of whose engines all but the wanted
// ones give wrong results, fail, or want too much memory.

#include <cstdio>
#include <cstdlib>

#include "cuda-convolution.h"
#include "cuda/cudnn/candidate.h"
#include "cuda/cudnn/library.h"
#include "moments-reference.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;
using cuda::cudnn::Pass;

bool tf32 = false;

cuda::Device deviceOfTest(const cuda::Device& device) {
  cuda::Device other = device;
  other.tf32 = tf32;
  return other;
}

/// An operation that cuDNN runs.
template <Pass pass, const cuda::Op& op>
const cuda::Op kCudnnOp{
    .choose = [](const StepDescription& step, const cuda::Device& device) -> Choice {
      const std::optional<Choice> choice = cuda::cudnn::candidate(pass, step, deviceOfTest(device));
      if (!choice) throw Unsupported();
      return *choice;
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters& parameters) {
          return op.prepare(step, deviceOfTest(device), parameters);
        }};
const cuda::Op& kForward = kCudnnOp<Pass::forward, cuda::conv2dOp>;
const cuda::Op& kMoments = kCudnnOp<Pass::forward, cuda::conv2dMomentsOp>;
const cuda::Op& kInputGradient = kCudnnOp<Pass::inputGradient, cuda::conv2dInputGradientOp>;
const cuda::Op& kFilterGradient = kCudnnOp<Pass::filterGradient, cuda::conv2dFilterGradientOp>;

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const ConvolutionCase kCases[] = {{3, 7, 9, 18, 36, 1, 1, 0, 1, 1},
                                  {2, 9, 7, 16, 24, 3, 2, 1, 1, 1},
                                  {1, 13, 9, 20, 16, 3, 1, 4, 4, 1},
                                  {1, 8, 9, 18, 36, 3, 2, 1, 1, 3},
                                  {1, 9, 13, 32, 32, 3, 1, 1, 1, 32}};

#ifdef OCRNET_EMULATION
constexpr bool kEmulated = true;
constexpr double kStrictTolerance = 1e-5;
#else
constexpr bool kEmulated = false;
constexpr double kStrictTolerance = 1e-4;  // of Winograd's transforms
#endif

/// Of float32 operands, of those that are rounded to TF32, or of 16 bits, whose sums are rounded before they
/// are finished.
double tolerance(const Configuration& configuration) {
  if (configuration.type != DataType::float32) return configuration.tolerance();
  return tf32 ? 1e-3 : kStrictTolerance;
}

/// What stands in for cuDNN has an engine for each case; the library itself need not.
void whereOffered(const ConvolutionCase& c, const std::function<void()>& test) {
  try {
    test();
  } catch (const Unsupported&) {
    if (kEmulated) throw std::runtime_error("no candidate for " + c.describe());
    std::printf("cuDNN takes no %s\n", c.describe().c_str());
  }
}

struct Epilogue {
  Activation activation;
  bool bias, residual, inPlace;
};

Values convolve(const Configuration& configuration, const ConvolutionCase& c, const Epilogue& e,
                bool filterIsParameter, const Values& x, const Values& filter, const Values& bias,
                const Values& residual) {
  OpRunner runner(Opcode::conv2d, Conv2dAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                   number(c.groups), e.activation, kSlope, OutputType::same});
  runner.onCuda(kForward).input(configuration.type, c.x(), x, configuration.gap);
  if (filterIsParameter) {
    runner.parameter("filter", c.filter(), filter);
  } else {
    runner.input(DataType::float32, c.filter(), filter);
  }
  if (e.bias) {
    runner.input(DataType::float32, {c.channelsOut}, bias);
  } else {
    runner.absentInput();
  }
  if (e.residual) {
    runner.input(configuration.type, c.y(), residual, configuration.gap);
  } else {
    runner.absentInput();
  }
  if (e.inPlace) {
    runner.outputInPlaceOf(3);
  } else {
    runner.output(configuration.type, c.y(), configuration.gap * 2);
  }
  return runner.run(configuration).front();
}

void forward(const Configuration& configuration) {
  constexpr Epilogue kEpilogues[] = {{Activation::none, false, false, false},
                                     {Activation::relu, true, false, false},
                                     {Activation::none, false, true, true},
                                     {Activation::leakyRelu, true, true, false}};
  int i = 0;
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(configuration.type, c.x());
    const Values filter = randomValues(DataType::float32, c.filter());
    const Values bias = randomValues(DataType::float32, {c.channelsOut});
    const Values residual = randomValues(configuration.type, c.y());
    for (const Epilogue& e : kEpilogues) {
      SumsReference expected(c.y());
      eachProduct(c,
                  [&](std::int64_t j, std::int64_t w, std::int64_t k) { expected.add(k, x[j] * filter[w]); });
      for (std::size_t k = 0; k < expected.sums.size(); ++k) {
        if (e.bias) expected.add(k, bias[k % c.channelsOut]);
        if (e.residual) expected.add(k, residual[k]);
        expected.sums[k] = activated(expected.sums[k], e.activation, kSlope);
      }
      const bool filterIsParameter = ++i % 2 > 0;
      const auto run = [&] {
        return convolve(configuration, c, e, filterIsParameter, x, filter, bias, residual);
      };
      whereOffered(c, [&] {
        const Values strict = run();
        expected.requireNear(strict, tolerance(configuration));
        require(run() == strict, "a second run gives another result");
        if (configuration.type != DataType::float32 || c.groups > 1) return;
        tf32 = true;
        const Values rounded = run();
        expected.requireNear(rounded, tolerance(configuration));
        require(!kEmulated || rounded != strict, "TF32 changes nothing");
      });
      tf32 = false;
    }
  }
}

/// Moments come behind it, and are of what it wrote.
void moments(const Configuration& configuration) {
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(configuration.type, c.x()),
                 filter = randomValues(DataType::float32, c.filter()),
                 bias = randomValues(DataType::float32, {c.channelsOut});
    whereOffered(c, [&] {
      OpRunner runner(Opcode::conv2dMoments, Conv2dMomentsAttributes{number(c.stride), number(c.padding),
                                                                     number(c.dilation), number(c.groups)});
      runner.onCuda(kMoments).input(configuration.type, c.x(), x, configuration.gap);
      runner.parameter("filter", c.filter(), filter).input(DataType::float32, {c.channelsOut}, bias);
      runner.output(configuration.type, c.y(), configuration.gap * 2);
      runner.output(DataType::float32, momentsShape(c.y())).output(DataType::float32, momentsShape(c.y()));
      const std::vector<Values> outputs = runner.run(configuration);
      MomentsReference(outputs[0], c.channelsOut).requireNear(outputs[1], outputs[2]);
    });
  }
}

void gradients(const Configuration& configuration) {
  const DataType type = configuration.type;
  int i = 0;
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(type, c.x()), dy = randomValues(type, c.y());
    const Values filter = randomValues(DataType::float32, c.filter()), residual = randomValues(type, c.x());
    const bool withResidual = ++i % 2 > 0;
    SumsReference dx(c.x()), dFilter(c.filter());
    eachProduct(c, [&](std::int64_t j, std::int64_t w, std::int64_t k) {
      dx.add(j, dy[k] * filter[w]);
      dFilter.add(w, x[j] * dy[k]);
    });
    for (std::size_t k = 0; withResidual && k < residual.size(); ++k) dx.add(k, residual[k]);

    OpRunner input(Opcode::conv2dInputGradient,
                   Conv2dInputGradientAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                 number(c.groups), number(c.height), number(c.width)});
    input.onCuda(kInputGradient).input(type, c.y(), dy, configuration.gap);
    input.input(DataType::float32, c.filter(), filter);
    if (withResidual) {
      input.input(type, c.x(), residual, configuration.gap).outputInPlaceOf(2);
    } else {
      input.absentInput().output(type, c.x(), configuration.gap * 2);
    }
    whereOffered(c, [&] { dx.requireNear(input.run(configuration).front(), tolerance(configuration)); });

    OpRunner weights(Opcode::conv2dFilterGradient,
                     Conv2dFilterGradientAttributes{number(c.stride), number(c.padding), number(c.dilation),
                                                    number(c.groups), number(c.kernel), number(c.kernel)});
    weights.onCuda(kFilterGradient).input(type, c.x(), x, configuration.gap);
    weights.input(type, c.y(), dy, configuration.gap).output(DataType::float32, c.filter());
    whereOffered(c,
                 [&] { dFilter.requireNear(weights.run(configuration).front(), tolerance(configuration)); });
  }
}

/// A plan of one 3×3 convolution of 16 channels, whose algorithm `choose` says.
OpRunner smallConvolution(const cuda::Op& op, const Configuration& configuration, std::int32_t stride) {
  const ConvolutionCase c{1, 9, 9, 16, 16, 3, stride, 1, 1, 1};
  OpRunner runner(Opcode::conv2d, Conv2dAttributes{stride, 1, 1, 1, Activation::none, 0, OutputType::same});
  runner.onCuda(op).input(configuration.type, c.x(), randomValues(configuration.type, c.x()));
  runner.input(DataType::float32, c.filter(), randomValues(DataType::float32, c.filter()));
  runner.absentInput().absentInput().output(configuration.type, c.y());
  return runner;
}

void requireCode(const char* code, const std::string& words, const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    require(
        std::string(error.code()) == code && std::string(error.what()).find(words) != std::string::npos,
        std::string("expected ") + code + ", " + words + ", received " + error.code() + ", " + error.what());
    return;
  }
  throw std::runtime_error("expected an error: " + words);
}

/// Plans are untrusted, and estimates leave cuDNN alone.
void choices(const Configuration& configuration) {
  static const cuda::Op withoutScratch{[](const StepDescription&, const cuda::Device&) -> Choice {
                                         return {cuda::cudnn::kAlgorithm, "", 0};
                                       },
                                       cuda::conv2dOp.prepare};
  requireCode("INVALID_PLAN", "bytes of scratch",
              [&] { smallConvolution(withoutScratch, configuration, 1).run(configuration); });
  static const cuda::Op estimated{[](const StepDescription& step, const cuda::Device& device) -> Choice {
                                    const Choice choice = cuda::conv2dOp.choose(step, device);
                                    require(choice.algorithm != cuda::cudnn::kAlgorithm,
                                            "estimates chose cuDNN");
                                    return choice;
                                  },
                                  cuda::conv2dOp.prepare};
  smallConvolution(estimated, configuration, 1).run(configuration);
}

#ifdef OCRNET_EMULATION

const std::string kStandIns = OCRNET_CUDNN_STAND_INS;

void refusals(const Configuration& configuration) {
  bool offered = true;
  try {
    smallConvolution(kForward, configuration, 3).run(configuration);
  } catch (const Unsupported&) {
    offered = false;
  }
  require(!offered, "cuDNN is a candidate for what no engine takes");

  setenv("OCRNET_CUDNN_STAND_IN", "fails", 1);
  requireCode("EXECUTION_FAILED", "CUDNN_STATUS_EXECUTION_FAILED, as it was told to",
              [&] { smallConvolution(kForward, configuration, 1).run(configuration); });
  unsetenv("OCRNET_CUDNN_STAND_IN");
  smallConvolution(kForward, configuration, 1).run(configuration);
}

void loading(const Configuration&) {
  const auto open = [](const std::string& path) { return [path] { cuda::cudnn::openLibrary(path); }; };
  requireCode("UNSUPPORTED", "cannot open shared object", open("libocrnet-has-no-such-library.so"));
  requireCode("UNSUPPORTED", "expected cuDNN 9, received cuDNN 8.9.7", open(kStandIns + "/cudnn-old.so"));
  requireCode("UNSUPPORTED", "has no cudnnGetErrorString", open(kStandIns + "/cudnn-incomplete.so"));
  const cuda::cudnn::Found& found = cuda::cudnn::findLibrary();
  require(found.library && found.library->version == "9.6.0", "the stand-in is not found: " + found.reason);

  setenv("OCRNET_CUDNN", "", 1);
  require(!cuda::cudnn::findLibrary().library, "found cuDNN where it is to do without");
  setenv("OCRNET_CUDNN", (kStandIns + "/cudnn-stand-in.so").c_str(), 1);
}

#endif

}  // namespace

int main() {
  std::vector<Test> tests{
      {"forward", forward}, {"moments", moments}, {"gradients", gradients}, {"choices", choices}};
#ifdef OCRNET_EMULATION
  setenv("OCRNET_CUDNN", (kStandIns + "/cudnn-stand-in.so").c_str(), 1);
  tests.push_back({"refusals", refusals});
  tests.push_back({"loading", loading});
#endif
  const cuda::cudnn::Found& found = cuda::cudnn::findLibrary();
  if (!found.library) {
    std::printf("not tested, for there is no cuDNN: %s\n", found.reason.c_str());
    return kEmulated ? 1 : 0;
  }
  return runTests(tests, cudaConfigurations());
}

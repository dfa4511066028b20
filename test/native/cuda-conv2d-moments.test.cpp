// conv2dMoments on the GPU by each algorithm, those that find moments in their epilogue and those behind
// which a pass finds them: ranges that reach from image to image, short last ranges, means far above the
// deviation.

#include "cuda-convolution.h"
#include "moments-reference.h"

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

const cuda::Op& kOp =
    kForcedOp<cuda::conv::kConvolutions, cuda::conv::describeConvolution, cuda::conv2dMomentsOp>;

// (batch, height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups)
const ConvolutionCase kCases[] = {
    {2, 9, 15, 24, 136, 1, 1, 0, 1, 1},   // a range in two images, the last of a few pixels
    {1, 16, 16, 16, 96, 3, 1, 1, 1, 1},   // whole tiles
    {1, 1, 1, 16, 48, 3, 1, 1, 1, 1},     // one pixel
    {3, 17, 13, 3, 64, 7, 2, 3, 1, 1},    // strides
    {1, 11, 13, 18, 19, 3, 1, 2, 2, 1},   // channels that fill no pack
    {1, 13, 9, 64, 64, 3, 1, 1, 1, 2},    // groups
    {1, 13, 9, 40, 40, 3, 1, 1, 1, 40},   // depthwise
    {1, 10, 13, 16, 264, 1, 1, 0, 1, 1},  // wide tiles, the second of which has few columns
};

std::vector<Values> run(const Configuration& configuration, const ConvolutionCase& c, const Values& x,
                        const Values& filter, const Values& bias) {
  OpRunner runner(Opcode::conv2dMoments, Conv2dMomentsAttributes{number(c.stride), number(c.padding),
                                                                 number(c.dilation), number(c.groups)});
  runner.onCuda(kOp).input(configuration.type, c.x(), x, configuration.gap);
  runner.parameter("filter", c.filter(), filter);
  if (bias.empty()) {
    runner.absentInput();
  } else {
    runner.input(DataType::float32, {c.channelsOut}, bias);
  }
  runner.output(configuration.type, c.y(), configuration.gap * 2);
  runner.output(DataType::float32, momentsShape(c.y())).output(DataType::float32, momentsShape(c.y()));
  return runner.run(configuration);
}

void cases(const Configuration& configuration) {
  int i = 0;
  for (const ConvolutionCase& c : kCases) {
    const Values x = randomValues(configuration.type, c.x()),
                 filter = randomValues(DataType::float32, c.filter());
    Values bias;
    if (++i % 2 == 0) bias = randomValues(DataType::float32, {c.channelsOut});
    for (double& value : bias) value += 1000;
    SumsReference expected(c.y());
    eachProduct(c,
                [&](std::int64_t j, std::int64_t w, std::int64_t k) { expected.add(k, x[j] * filter[w]); });
    for (std::size_t j = 0; j < expected.sums.size() && !bias.empty(); ++j) {
      expected.add(j, bias[j % c.channelsOut]);
    }
    byEachAlgorithm(configuration, std::size(cuda::conv::kConvolutions), c, [&] {
      const std::vector<Values> outputs = run(configuration, c, x, filter, bias);
      expected.requireNear(outputs[0], forcedTolerance(configuration));
      MomentsReference(outputs[0], c.channelsOut).requireNear(outputs[1], outputs[2]);
    });
  }
}

}  // namespace

int main() { return runTests({{"convolutions and moments", cases}}, cudaConfigurations()); }

// What the convolutions of one training step cost: each convolution of a network on two crops of 256×512,
// forward, input gradient and filter gradient, by each algorithm that supports it, packing of the filter
// included. GFLOP/s of the fastest of some runs, those of the algorithm that the cost model chooses marked
// by a star; at the end the sums over the network in ms: as chosen, by oneDNN's convolutions alone (what
// PyTorch runs), and by the fastest of all.
// Arguments: threads, rounds, network (0 HRNet-W48 with OCR, 1 ResNet-101 with OCR, 2 MobileNetV2 with OCR),
// index of the only shape to run.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/aligned-buffer.h"
#include "cpu/conv/algorithm.h"
#include "cpu/op.h"

namespace {

using namespace ocrnet;
using cpu::conv::Algorithm;
using cpu::conv::Problem;

struct Shape {
  int count;
  std::int64_t height, width, channelsIn, channelsOut, kernel, stride, padding, dilation, groups;

  std::int64_t window(std::int64_t extent) const {
    return (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
};

constexpr std::int64_t kBatch = 2;

constexpr Shape kHrNet[] = {
    {1, 256, 512, 3, 64, 3, 2, 1, 1, 1},   {1, 128, 256, 64, 64, 3, 2, 1, 1, 1},
    {1, 64, 128, 64, 64, 1, 1, 0, 1, 1},   {4, 64, 128, 64, 64, 3, 1, 1, 1, 1},
    {5, 64, 128, 64, 256, 1, 1, 0, 1, 1},  {3, 64, 128, 256, 64, 1, 1, 0, 1, 1},
    {1, 64, 128, 256, 48, 3, 1, 1, 1, 1},  {1, 64, 128, 256, 96, 3, 2, 1, 1, 1},
    {64, 64, 128, 48, 48, 3, 1, 1, 1, 1},  {64, 32, 64, 96, 96, 3, 1, 1, 1, 1},
    {8, 32, 64, 96, 48, 1, 1, 0, 1, 1},    {8, 64, 128, 48, 96, 3, 2, 1, 1, 1},
    {8, 32, 64, 96, 192, 3, 2, 1, 1, 1},   {56, 16, 32, 192, 192, 3, 1, 1, 1, 1},
    {7, 16, 32, 192, 48, 1, 1, 0, 1, 1},   {7, 16, 32, 192, 96, 1, 1, 0, 1, 1},
    {10, 64, 128, 48, 48, 3, 2, 1, 1, 1},  {7, 32, 64, 48, 192, 3, 2, 1, 1, 1},
    {4, 16, 32, 192, 384, 3, 2, 1, 1, 1},  {24, 8, 16, 384, 384, 3, 1, 1, 1, 1},
    {3, 8, 16, 384, 48, 1, 1, 0, 1, 1},    {3, 8, 16, 384, 96, 1, 1, 0, 1, 1},
    {3, 8, 16, 384, 192, 1, 1, 0, 1, 1},   {3, 32, 64, 48, 48, 3, 2, 1, 1, 1},
    {3, 16, 32, 48, 384, 3, 2, 1, 1, 1},   {3, 32, 64, 96, 96, 3, 2, 1, 1, 1},
    {3, 16, 32, 96, 384, 3, 2, 1, 1, 1},   {1, 64, 128, 720, 720, 1, 1, 0, 1, 1},
    {1, 64, 128, 720, 19, 1, 1, 0, 1, 1},  {1, 64, 128, 720, 512, 3, 1, 1, 1, 1},
    {1, 64, 128, 512, 256, 1, 1, 0, 1, 1}, {1, 64, 128, 256, 256, 1, 1, 0, 1, 1},
    {2, 19, 1, 512, 256, 1, 1, 0, 1, 1},   {1, 19, 1, 256, 256, 1, 1, 0, 1, 1},
    {1, 64, 128, 256, 512, 1, 1, 0, 1, 1}, {1, 64, 128, 1024, 512, 1, 1, 0, 1, 1},
    {1, 64, 128, 512, 19, 1, 1, 0, 1, 1},
};
constexpr Shape kResNet[] = {
    {1, 256, 512, 3, 64, 3, 2, 1, 1, 1},    {1, 128, 256, 64, 64, 3, 1, 1, 1, 1},
    {1, 128, 256, 64, 128, 3, 1, 1, 1, 1},  {1, 65, 129, 128, 64, 1, 1, 0, 1, 1},
    {3, 65, 129, 64, 64, 3, 1, 1, 1, 1},    {3, 65, 129, 64, 256, 1, 1, 0, 1, 1},
    {1, 65, 129, 128, 256, 1, 1, 0, 1, 1},  {2, 65, 129, 256, 64, 1, 1, 0, 1, 1},
    {1, 65, 129, 256, 128, 1, 1, 0, 1, 1},  {1, 65, 129, 128, 128, 3, 2, 1, 1, 1},
    {4, 33, 65, 128, 512, 1, 1, 0, 1, 1},   {1, 65, 129, 256, 512, 1, 2, 0, 1, 1},
    {3, 33, 65, 512, 128, 1, 1, 0, 1, 1},   {3, 33, 65, 128, 128, 3, 1, 1, 1, 1},
    {2, 33, 65, 512, 256, 1, 1, 0, 1, 1},   {1, 33, 65, 256, 256, 3, 1, 1, 1, 1},
    {23, 33, 65, 256, 1024, 1, 1, 0, 1, 1}, {1, 33, 65, 512, 1024, 1, 1, 0, 1, 1},
    {22, 33, 65, 1024, 256, 1, 1, 0, 1, 1}, {22, 33, 65, 256, 256, 3, 1, 2, 2, 1},
    {2, 33, 65, 1024, 512, 1, 1, 0, 1, 1},  {1, 33, 65, 512, 512, 3, 1, 2, 2, 1},
    {3, 33, 65, 512, 2048, 1, 1, 0, 1, 1},  {1, 33, 65, 1024, 2048, 1, 1, 0, 1, 1},
    {2, 33, 65, 2048, 512, 1, 1, 0, 1, 1},  {2, 33, 65, 512, 512, 3, 1, 4, 4, 1},
    {1, 33, 65, 1024, 512, 3, 1, 1, 1, 1},  {2, 33, 65, 512, 19, 1, 1, 0, 1, 1},
    {1, 33, 65, 2048, 512, 3, 1, 1, 1, 1},  {1, 33, 65, 256, 256, 1, 1, 0, 1, 1},
    {2, 19, 1, 512, 256, 1, 1, 0, 1, 1},    {1, 19, 1, 256, 256, 1, 1, 0, 1, 1},
    {1, 33, 65, 256, 512, 1, 1, 0, 1, 1},
};
constexpr Shape kMobileNet[] = {
    {1, 256, 512, 3, 32, 3, 2, 1, 1, 1},    {1, 128, 256, 32, 32, 3, 1, 1, 1, 32},
    {1, 128, 256, 32, 16, 1, 1, 0, 1, 1},   {1, 128, 256, 16, 96, 1, 1, 0, 1, 1},
    {1, 128, 256, 96, 96, 3, 2, 1, 1, 96},  {1, 64, 128, 96, 24, 1, 1, 0, 1, 1},
    {2, 64, 128, 24, 144, 1, 1, 0, 1, 1},   {1, 64, 128, 144, 144, 3, 1, 1, 1, 144},
    {1, 64, 128, 144, 24, 1, 1, 0, 1, 1},   {1, 64, 128, 144, 144, 3, 2, 1, 1, 144},
    {1, 32, 64, 144, 32, 1, 1, 0, 1, 1},    {3, 32, 64, 32, 192, 1, 1, 0, 1, 1},
    {3, 32, 64, 192, 192, 3, 1, 1, 1, 192}, {2, 32, 64, 192, 32, 1, 1, 0, 1, 1},
    {1, 32, 64, 192, 64, 1, 1, 0, 1, 1},    {4, 32, 64, 64, 384, 1, 1, 0, 1, 1},
    {4, 32, 64, 384, 384, 3, 1, 2, 2, 384}, {3, 32, 64, 384, 64, 1, 1, 0, 1, 1},
    {1, 32, 64, 384, 96, 1, 1, 0, 1, 1},    {3, 32, 64, 96, 576, 1, 1, 0, 1, 1},
    {3, 32, 64, 576, 576, 3, 1, 2, 2, 576}, {2, 32, 64, 576, 96, 1, 1, 0, 1, 1},
    {1, 32, 64, 576, 160, 1, 1, 0, 1, 1},   {3, 32, 64, 160, 960, 1, 1, 0, 1, 1},
    {3, 32, 64, 960, 960, 3, 1, 4, 4, 960}, {2, 32, 64, 960, 160, 1, 1, 0, 1, 1},
    {1, 32, 64, 960, 320, 1, 1, 0, 1, 1},   {1, 32, 64, 320, 1280, 1, 1, 0, 1, 1},
    {1, 32, 64, 96, 19, 1, 1, 0, 1, 1},     {1, 32, 64, 1280, 512, 3, 1, 1, 1, 1},
    {1, 32, 64, 512, 256, 1, 1, 0, 1, 1},   {2, 19, 1, 512, 256, 1, 1, 0, 1, 1},
    {1, 32, 64, 256, 512, 1, 1, 0, 1, 1},   {1, 32, 64, 1024, 512, 1, 1, 0, 1, 1},
    {1, 32, 64, 512, 19, 1, 1, 0, 1, 1},
};
constexpr std::span<const Shape> kNetworks[] = {kHrNet, kResNet, kMobileNet};

struct Pass {
  const char* name;
  Problem (*describe)(const cpu::StepDescription&);
  std::vector<const Algorithm*> algorithms;
};

const Pass kPasses[] = {
    {"forward",
     cpu::conv::describeProblem,
     {&cpu::conv::onednnAlgorithm, &cpu::conv::matmulAlgorithm, &cpu::conv::winogradAlgorithm}},
    {"input",
     cpu::conv::describeInputGradient,
     {&cpu::conv::onednnInputGradient, &cpu::conv::convolutionInputGradient, &cpu::conv::matmulInputGradient,
      &cpu::conv::winogradInputGradient}},
    {"filter",
     cpu::conv::describeFilterGradient,
     {&cpu::conv::onednnFilterGradient, &cpu::conv::depthwiseFilterGradient, &cpu::conv::sumsFilterGradient,
      &cpu::conv::winogradFilterGradient}},
};

TensorInfo tensor(std::array<std::int64_t, 4> shape) {
  return {DataType::float32, 4, shape, Storage::arena, 0, 0, shape[3]};
}

/// In ms. With one thread the time of the processor, which other processes do not lengthen.
double now(int threads) {
  timespec time;
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

/// The three passes of one convolution on random memory that all shapes share.
class Layer {
 public:
  Layer(const Shape& s, const AlignedBuffer* buffers) : buffers_(buffers) {
    const auto n = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
    const std::int32_t stride = n(s.stride), padding = n(s.padding), dilation = n(s.dilation),
                       groups = n(s.groups);
    plan_.tensors = {tensor({kBatch, s.height, s.width, s.channelsIn}),
                     tensor({s.channelsOut, s.kernel, s.kernel, s.channelsIn / s.groups}),
                     tensor({kBatch, s.window(s.height), s.window(s.width), s.channelsOut})};
    const auto add = [this](Opcode opcode, std::vector<std::uint32_t> inputs, std::uint32_t output,
                            Attributes attributes) {
      plan_.steps.push_back({opcode, "", std::move(inputs), {output}, std::move(attributes), 0, 0, ~0ull});
    };
    add(Opcode::conv2d, {0, 1, kAbsent, kAbsent}, 2,
        Conv2dAttributes{stride, padding, dilation, groups, Activation::none, 0, OutputType::same});
    add(Opcode::conv2dInputGradient, {2, 1, kAbsent}, 0,
        Conv2dInputGradientAttributes{stride, padding, dilation, groups, n(s.height), n(s.width)});
    add(Opcode::conv2dFilterGradient, {0, 2}, 1,
        Conv2dFilterGradientAttributes{stride, padding, dilation, groups, n(s.kernel), n(s.kernel)});
  }

  struct Measured {
    std::string name;
    double cost, ms;
  };
  Measured measure(int pass, const Algorithm& algorithm, const cpu::Device& device, int rounds) {
    const Step& step = plan_.steps[pass];
    const cpu::StepDescription description(plan_, step);
    const Problem problem = kPasses[pass].describe(description);
    if (!algorithm.supports(problem)) return {"", 0, 0};
    const cpu::conv::Estimate estimate = algorithm.estimate(problem, device);
    Weights weights;
    const auto prepared = algorithm.prepare(problem, description, device, weights);
    const AlignedBuffer scratch(estimate.scratchBytes + 64);
    std::vector<std::byte*> inputs, outputs;
    for (const std::uint32_t i : step.inputs) inputs.push_back(i == kAbsent ? nullptr : buffers_[i].data());
    for (const std::uint32_t i : step.outputs) outputs.push_back(buffers_[i].data());
    double best = 1e30;
    for (int round = -1; round < rounds; ++round) {
      const double start = now(device.threads);
      prepared->run({inputs, outputs, scratch.data()});
      if (round >= 0) best = std::min(best, now(device.threads) - start);
    }
    return {estimate.name, estimate.cost, best};
  }
  double flops() const {
    return cpu::conv::describeProblem(cpu::StepDescription(plan_, plan_.steps[0])).convolution.flops();
  }

 private:
  Plan plan_{};
  const AlignedBuffer* buffers_;
};

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int i, int otherwise) { return count > i ? std::atoi(arguments[i]) : otherwise; };
  const int threads = argument(1, 2), rounds = argument(2, 5), network = argument(3, 0),
            only = argument(4, -1);
  const cpu::Device device = cpu::describeDevice(threads);
  std::int64_t most = 0;
  for (const Shape& s : kNetworks[network]) {
    most = std::max({most, kBatch * s.height * s.width * s.channelsIn,
                     kBatch * s.window(s.height) * s.window(s.width) * s.channelsOut,
                     s.channelsOut * s.kernel * s.kernel * s.channelsIn / s.groups});
  }
  const AlignedBuffer buffers[] = {AlignedBuffer(4 * most), AlignedBuffer(4 * most), AlignedBuffer(4 * most)};
  std::minstd_rand generator(1);
  for (const AlignedBuffer& buffer : buffers) {
    for (std::int64_t i = 0; i < most; ++i)
      reinterpret_cast<float*>(buffer.data())[i] = static_cast<float>(generator() % 2001) * 1e-3f - 1;
  }

  double chosenMs[3] = {}, onednnMs[3] = {}, bestMs[3] = {};
  int index = 0;
  for (const Shape& s : kNetworks[network]) {
    if (only >= 0 && index++ != only) continue;
    Layer layer(s, buffers);
    std::printf("%2d × %lldx%lld %lld->%lld k%lld s%lld d%lld g%lld\n", s.count,
                static_cast<long long>(s.height), static_cast<long long>(s.width),
                static_cast<long long>(s.channelsIn), static_cast<long long>(s.channelsOut),
                static_cast<long long>(s.kernel), static_cast<long long>(s.stride),
                static_cast<long long>(s.dilation), static_cast<long long>(s.groups));
    for (int pass = 0; pass < 3; ++pass) {
      if (pass == 1 && s.channelsIn == 3) continue;  // nobody wants the picture's gradient
      std::vector<Layer::Measured> all;
      for (const Algorithm* algorithm : kPasses[pass].algorithms)
        all.push_back(layer.measure(pass, *algorithm, device, rounds));
      const Layer::Measured* chosen = nullptr;
      double best = 1e30;
      for (const Layer::Measured& m : all) {
        if (m.name.empty()) continue;
        if (!chosen || m.cost < chosen->cost) chosen = &m;
        best = std::min(best, m.ms);
      }
      std::printf("    %-8s", kPasses[pass].name);
      for (const Layer::Measured& m : all) {
        if (m.name.empty()) continue;
        std::printf(" %s%s %.0f (%.2f ms, estimate %.0f);", &m == chosen ? "*" : "", m.name.c_str(),
                    layer.flops() / m.ms * 1e-6, m.ms, layer.flops() / m.cost * 100);
      }
      std::printf("\n");
      chosenMs[pass] += s.count * chosen->ms;
      onednnMs[pass] += s.count * all[0].ms;
      bestMs[pass] += s.count * best;
    }
    std::fflush(stdout);
  }
  for (int pass = 0; pass < 3; ++pass) {
    std::printf("%-8s chosen %8.1f ms, oneDNN %8.1f ms, fastest %8.1f ms\n", kPasses[pass].name,
                chosenMs[pass], onednnMs[pass], bestMs[pass]);
  }
  const auto sum = [](const double* ms) { return ms[0] + ms[1] + ms[2]; };
  std::printf("all      chosen %8.1f ms, oneDNN %8.1f ms, fastest %8.1f ms\n", sum(chosenMs), sum(onednnMs),
              sum(bestMs));
}

// Winograd convolution against oneDNN's direct convolution, alternating in one run, on the 3×3 convolutions
// of HRNet-W48 and ResNet-101 at 512×1024. Columns: medians in ms, GFLOP/s counted as a direct convolution's.
// Arguments: threads, rounds, index of the only shape to run.

#include "cpu/winograd/winograd.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <random>
#include <vector>

namespace {

namespace winograd = ocrnet::cpu::winograd;

struct Shape {
  std::int64_t height, width, channelsIn, channelsOut, dilation;
};

constexpr Shape kShapes[] = {
    {128, 256, 48, 48, 1},   {64, 128, 96, 96, 1},   {32, 64, 192, 192, 1},   {16, 32, 384, 384, 1},
    {128, 256, 64, 64, 1},   {128, 256, 256, 48, 1}, {128, 256, 720, 512, 1}, {129, 257, 64, 64, 1},
    {65, 129, 128, 128, 1},  {65, 129, 256, 256, 2}, {65, 129, 512, 512, 4},  {65, 129, 1024, 512, 1},
    {65, 129, 2048, 512, 1},
};

double elapsedMs(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// Aligned as the executor's arena is.
struct Buffer {
  explicit Buffer(std::size_t count) : count(count) {
    data = static_cast<float*>(std::aligned_alloc(4096, (count * sizeof(float) + 4095) / 4096 * 4096));
  }
  ~Buffer() { std::free(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void randomise() {
    std::minstd_rand generator(1);
    for (std::size_t i = 0; i < count; ++i) data[i] = static_cast<float>(generator() % 2001) * 1e-3f - 1;
  }
  float* data;
  std::size_t count;
};

/// oneDNN's own choice among its direct kernels, with its own filter layout, bias and ReLU.
class DirectConvolution {
 public:
  DirectConvolution(const Shape& s, const Buffer& x, const Buffer& bias, Buffer& y)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    const auto f32 = memory::data_type::f32;
    const memory::desc source({1, s.channelsIn, s.height, s.width}, f32, memory::format_tag::nhwc);
    const memory::desc weights({s.channelsOut, s.channelsIn, 3, 3}, f32, memory::format_tag::any);
    const memory::desc biases({s.channelsOut}, f32, memory::format_tag::x);
    const memory::desc destination({1, s.channelsOut, s.height, s.width}, f32, memory::format_tag::nhwc);
    const memory::dims dilation(2, s.dilation - 1), padding(2, s.dilation);
    dnnl::post_ops epilogue;
    epilogue.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(epilogue);
    const dnnl::convolution_forward::primitive_desc description({dnnl::prop_kind::forward_inference,
                                                                 dnnl::algorithm::convolution_direct,
                                                                 source,
                                                                 weights,
                                                                 biases,
                                                                 destination,
                                                                 {1, 1},
                                                                 dilation,
                                                                 padding,
                                                                 padding},
                                                                attributes, engine_);
    primitive_ = dnnl::convolution_forward(description);
    const memory filter(description.weights_desc(), engine_);
    auto* const values = static_cast<float*>(filter.get_data_handle());
    for (std::size_t i = 0; i < description.weights_desc().get_size() / 4; ++i)
      values[i] = x.data[i % x.count];
    arguments_ = {{DNNL_ARG_SRC, memory(source, engine_, x.data)},
                  {DNNL_ARG_WEIGHTS, filter},
                  {DNNL_ARG_BIAS, memory(biases, engine_, bias.data)},
                  {DNNL_ARG_DST, memory(destination, engine_, y.data)}};
  }
  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::convolution_forward primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 2,
            rounds = count > 2 ? std::atoi(arguments[2]) : 15;
  const ocrnet::cpu::Device device = ocrnet::cpu::describeDevice(threads);
  const int only = count > 3 ? std::atoi(arguments[3]) : -1;
  std::printf("%-26s %10s %10s %9s %9s %6s %9s %9s\n", "shape", "direct ms", "winograd", "GFLOP/s", "GFLOP/s",
              "ratio", "estimate", "scratch");
  for (const Shape& s : kShapes) {
    if (only >= 0 && &s != kShapes + only) continue;
    const winograd::Problem problem{1,          s.height,   s.width,      s.channelsIn,  s.channelsOut,
                                    s.dilation, s.dilation, s.channelsIn, s.channelsOut, s.channelsOut};
    Buffer x(s.height * s.width * s.channelsIn), y(s.height * s.width * s.channelsOut), bias(s.channelsOut);
    Buffer filter(9 * s.channelsIn * s.channelsOut), packed(winograd::packedFilterBytes(problem, device) / 4);
    Buffer scratch(winograd::scratchBytes(problem, device) / 4);
    x.randomise(), bias.randomise(), filter.randomise();
    winograd::packFilter(problem, device, filter.data, packed.data);
    DirectConvolution direct(s, x, bias, y);

    std::vector<double> directMs, winogradMs;
    for (int round = -2; round < rounds; ++round) {
      const double first = elapsedMs([&] { direct.run(); });
      const double second = elapsedMs([&] {
        winograd::run(problem, device,
                      {x.data, packed.data, bias.data, nullptr, y.data, {ocrnet::Activation::relu, 0}},
                      scratch.data);
      });
      if (round < 0) continue;
      directMs.push_back(first), winogradMs.push_back(second);
    }
    const double flops = 18.0 * s.height * s.width * s.channelsIn * s.channelsOut;
    const double ours = median(winogradMs), theirs = median(directMs);
    char name[64];
    std::snprintf(name, sizeof name, "%lldx%lldx%lld->%lld d%lld", static_cast<long long>(s.height),
                  static_cast<long long>(s.width), static_cast<long long>(s.channelsIn),
                  static_cast<long long>(s.channelsOut), static_cast<long long>(s.dilation));
    std::printf("%-26s %10.3f %10.3f %9.0f %9.0f %6.2f %9.2f %6.1f MB\n", name, theirs, ours,
                flops / theirs * 1e-6, flops / ours * 1e-6, theirs / ours,
                1 / winograd::relativeCost(problem, device),
                winograd::scratchBytes(problem, device) / 1048576.0);
  }
}

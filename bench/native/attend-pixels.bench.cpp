// attendPixels and its gradient on one image, at the sizes of the paper's Table 4 and smaller: ms and GFLOP/s
// of the fastest of some runs, and scratch. Arguments: threads, rounds, index of the only shape to run.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

#include "core/aligned-buffer.h"
#include "cpu/op.h"

namespace {

using namespace ocrnet;

struct Shape {
  std::int64_t height, width, depth, channels;
};
constexpr Shape kShapes[] = {
    {128, 128, 256, 256}, {128, 128, 64, 512}, {64, 64, 256, 256}, {97, 97, 64, 512}, {33, 65, 256, 256}};

/// In ms. With one thread the time of the processor, which other processes do not lengthen.
double now(int threads) {
  timespec time;
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

/// One step on tensors of its own.
class Step1 {
 public:
  Step1(const cpu::Op& op, Attributes attributes, const std::vector<TensorInfo>& tensors, std::size_t inputs,
        int threads)
      : op_(op), device_(cpu::describeDevice(threads)) {
    plan_.tensors = tensors;
    Step step{};
    step.attributes = attributes;
    std::minstd_rand generator(1);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      (i < inputs ? step.inputs : step.outputs).push_back(static_cast<std::uint32_t>(i));
      buffers_.emplace_back(tensors[i].elements() * 4);
      for (std::int64_t j = 0; j < tensors[i].elements(); ++j)
        reinterpret_cast<float*>(buffers_.back().data())[j] =
            static_cast<float>(generator() % 2001) * 1e-3f - 1;
    }
    plan_.steps.push_back(std::move(step));
    const cpu::StepDescription unchosen(plan_, plan_.steps[0]);
    const cpu::Choice choice = op.choose(unchosen, device_);
    plan_.steps[0].algorithm = choice.algorithm;
    plan_.steps[0].scratchBytes = choice.scratchBytes;
    scratchBytes = choice.scratchBytes;
    scratch_ = std::make_unique<AlignedBuffer>(scratchBytes + 64);
    prepared_ = op.prepare(unchosen, device_, weights_);
    for (std::size_t i = 0; i < tensors.size(); ++i)
      (i < inputs ? inputs_ : outputs_).push_back(buffers_[i].data());
  }
  double ms(int rounds) {
    double best = 1e30;
    for (int i = 0; i < rounds; ++i) {
      const double start = now(device_.threads);
      prepared_->run({inputs_, outputs_, scratch_->data()});
      best = std::min(best, now(device_.threads) - start);
    }
    return best;
  }
  std::size_t scratchBytes;

 private:
  const cpu::Op& op_;
  cpu::Device device_;
  Plan plan_{};
  Weights weights_;
  std::vector<AlignedBuffer> buffers_;
  std::unique_ptr<AlignedBuffer> scratch_;
  std::unique_ptr<cpu::PreparedStep> prepared_;
  std::vector<std::byte*> inputs_, outputs_;
};

TensorInfo tensor(std::int64_t h, std::int64_t w, std::int64_t c) {
  return {DataType::float32, 4, {1, h, w, c}, Storage::arena, 0, 0, c};
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int i, int otherwise) { return count > i ? std::atoi(arguments[i]) : otherwise; };
  const int threads = argument(1, 2), rounds = argument(2, 3), only = argument(3, -1);
  for (int i = 0; i < static_cast<int>(std::size(kShapes)); ++i) {
    if (only >= 0 && i != only) continue;
    const auto& [h, w, d, c] = kShapes[i];
    const double pairs = 2e-6 * h * w * h * w;
    const TensorInfo q = tensor(h, w, d), v = tensor(h, w, c), l = tensor(h, w, 1);
    Step1 forward(cpu::attendPixelsOp, AttendPixelsAttributes{0.1f}, {q, q, v, v, l}, 3, threads);
    const double ms = forward.ms(rounds);
    Step1 backward(cpu::attendPixelsGradientOp, AttendPixelsGradientAttributes{0.1f},
                   {q, q, v, v, l, v, q, q, v}, 6, threads);
    const double backMs = backward.ms(rounds);
    std::printf("backward %8.1f ms %6.1f GFLOP/s %5.2f MiB; ", backMs, pairs * (3 * d + 2 * c) / backMs,
                backward.scratchBytes / 1048576.0);
    std::printf("%3lldx%-3lld D %3lld C %3lld  forward %8.1f ms %6.1f GFLOP/s %5.2f MiB\n", (long long)h,
                (long long)w, (long long)d, (long long)c, ms, pairs * (d + c) / ms,
                forward.scratchBytes / 1048576.0);
  }
}

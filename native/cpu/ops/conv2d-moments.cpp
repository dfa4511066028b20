// A convolution as conv2d computes it, and then a pass over y: what it wrote is what a batch norm normalises,
// 16-bit results as they were rounded. Where y is read again there is nothing to gain on a processor; the
// operation is here so that plans mean the same on every device.

#include <algorithm>

#include "core/integers.h"
#include "core/moments.h"
#include "cpu/conv/algorithm.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// The moments of y's ranges of pixels. Either vector may be null: nobody reads it.
struct RangeMoments {
  DataType type;
  std::int64_t pixels, channels, pixelStride;

  explicit RangeMoments(const TensorInfo& y)
      : type(y.dataType), pixels(y.pixels()), channels(y.channels()), pixelStride(y.pixelStride) {}

  void find(int threads, const Kernels& kernels, const std::byte* y, float* means, float* squares) const {
    const std::int64_t parts = divideUp(channels, kPartChannels);
    const std::int64_t grain = pixelGrain(std::min(channels, kPartChannels)) / kMomentPixels + 1;
    parallel(threads, divideUp(pixels, kMomentPixels) * parts, grain, [&](Range range, int) {
      for (std::int64_t i = range.first; i < range.end; ++i)
        findPart(kernels, y, i / parts, i % parts * kPartChannels, means, squares);
    });
  }

 private:
  /// Channels whose sums lie on the stack together.
  static constexpr std::int64_t kPartChannels = 64;
  static_assert(kPartChannels % kMostLanes == 0);

  void findPart(const Kernels& kernels, const std::byte* y, std::int64_t range, std::int64_t firstChannel,
                float* means, float* squares) const {
    const Range part{range * kMomentPixels, std::min((range + 1) * kMomentPixels, pixels)};
    const Range some{0, std::min(kPartChannels, channels - firstChannel)};
    const Source x{y + firstChannel * bytesPerElement(type), pixelStride};
    float shift[kPartChannels], sums[kPartChannels], sumsOfSquares[kPartChannels];
    kernels.channelMoments({type, x, {nullptr, 0}}, part, some, shift, sums, sumsOfSquares);
    const auto n = static_cast<double>(part.size());
    for (std::int64_t c = 0; c < some.end; ++c) {
      const std::int64_t i = range * channels + firstChannel + c;
      const double sum = static_cast<double>(sums[c]);
      if (means) means[i] = static_cast<float>(static_cast<double>(shift[c]) + sum / n);
      if (squares)
        squares[i] = static_cast<float>(std::max(static_cast<double>(sumsOfSquares[c]) - sum * sum / n, 0.0));
    }
  }
};

class Conv2dMomentsStep final : public PreparedStep {
 public:
  Conv2dMomentsStep(std::unique_ptr<PreparedStep> convolution, const TensorInfo& y, const Device& device)
      : convolution_(std::move(convolution)),
        moments_(y),
        threads_(device.threads),
        kernels_(kernelsFor(device.isa)) {}

  bool reads(std::size_t input) const override { return convolution_->reads(input); }

  void run(const StepMemory& memory) override {
    convolution_->run(memory);
    moments_.find(threads_, kernels_, memory.outputs[0], memory.out<float>(1), memory.out<float>(2));
  }

 private:
  const std::unique_ptr<PreparedStep> convolution_;
  const RangeMoments moments_;
  const int threads_;
  const Kernels& kernels_;
};

constexpr Op kMomentsConvolution = conv::kOperation<conv::kConvolutions, conv::describeMoments>;

std::unique_ptr<PreparedStep> prepareConv2dMoments(const StepDescription& step, const Device& device,
                                                   Weights& weights) {
  return std::make_unique<Conv2dMomentsStep>(kMomentsConvolution.prepare(step, device, weights),
                                             *step.output(0), device);
}

}  // namespace

const Op conv2dMomentsOp{.choose = kMomentsConvolution.choose,
                         .prepare = prepareConv2dMoments,
                         .candidates = kMomentsConvolution.candidates};

}  // namespace ocrnet::cpu

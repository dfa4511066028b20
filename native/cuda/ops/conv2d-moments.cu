// A convolution whose algorithm has the moments of its results at hand when it writes them; behind the others
// a pass over the results finds them.

#include "core/moments.h"
#include "cuda/conv/algorithm.h"
#include "cuda/conv/finish.h"
#include "cuda/cudnn/candidate.h"
#include "cuda/device/shared.h"
#include "cuda/ops/channel-tiles.h"

namespace ocrnet::cuda {

namespace {

using MomentsTile = ChannelTile<1>;

/// A block for each range, and so many channels: its pixels stay in registers between mean and squares.
template <class T>
__global__ void __launch_bounds__(MomentsTile::kThreads)
    resultMomentsKernel(Source y, PixelRanges ranges, conv::Moments moments) {
  constexpr int kPixels = kMomentPixels / MomentsTile::kRows;  // of a thread
  auto& memory = sharedMemory<RowSumMemory<1>>();
  const std::int64_t channel = MomentsTile::channel(), range = blockIdx.x;
  const std::int64_t first = range * kMomentPixels, rest = ranges.pixels - first;
  const auto there = static_cast<int>(rest < kMomentPixels ? rest : kMomentPixels);
  const bool inside = channel < ranges.channels;
  const auto isThere = [&](int i) { return inside && i * MomentsTile::kRows + MomentsTile::row() < there; };
  float values[kPixels], sum[1] = {}, squares[1] = {};
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const std::int64_t pixel = first + i * MomentsTile::kRows + MomentsTile::row();
    values[i] = isThere(i) ? toFloat32(y.as<T>()[pixel * y.stride + channel]) : 0;
    sum[0] += values[i];
  }
  sumRows(sum, memory);
  const float mean = sum[0] / static_cast<float>(there);
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const float distance = isThere(i) ? values[i] - mean : 0;
    squares[0] = fmaf(distance, distance, squares[0]);
  }
  sumRows(squares, memory);
  if (inside && MomentsTile::row() == 0) moments.write(range, static_cast<int>(channel), mean, squares[0]);
}

void findMoments(const conv::Problem& p, const conv::Finish& finish, cudaStream_t stream) {
  const PixelRanges ranges{p.resultPixels(), finish.moments.channels, kMomentPixels};
  withFloatType(p.resultType, [&](auto element) {
    launch<resultMomentsKernel<decltype(element)>>(ranges.shape<1>(sizeof(RowSumMemory<1>)), stream,
                                                   finish.result.asSource(), ranges, finish.moments);
  });
}

class MomentsBehind final : public PreparedStep {
 public:
  MomentsBehind(std::unique_ptr<PreparedStep> convolution, const conv::Problem& problem)
      : convolution_(std::move(convolution)), problem_(problem) {}

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    convolution_->enqueue(memory, stream);
    findMoments(problem_, conv::finishOf(problem_, memory), stream);
  }
  bool reads(std::size_t input) const override { return convolution_->reads(input); }

 private:
  const std::unique_ptr<PreparedStep> convolution_;
  const conv::Problem problem_;
};

constexpr const Op& kConvolution =
    cudnn::kOperation<cudnn::Pass::forward, conv::kOperation<conv::kConvolutions, conv::describeConvolution>>;

bool findsMoments(std::uint32_t algorithm) {
  return algorithm < std::size(conv::kConvolutions) && conv::kConvolutions[algorithm]->findsMoments;
}

std::unique_ptr<PreparedStep> prepareConv2dMoments(const StepDescription& step, const Device& device,
                                                   Parameters& parameters) {
  std::unique_ptr<PreparedStep> convolution = kConvolution.prepare(step, device, parameters);
  if (findsMoments(step.step().algorithm)) return convolution;
  return std::make_unique<MomentsBehind>(std::move(convolution), conv::describeConvolution(step));
}

}  // namespace

const Op conv2dMomentsOp{
    .choose = kConvolution.choose, .prepare = prepareConv2dMoments, .candidates = kConvolution.candidates};

}  // namespace ocrnet::cuda

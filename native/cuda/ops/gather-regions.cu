// Spatial softmax and aggregation in one pass over the features. A block of threads has a split of the
// pixels, up to 192 classes and 64 channels. It finds the largest logit of each of its classes,
// then multiplies exp(logit − largest), made on the way into the tiles, with the features, and adds them up.
// A second kernel joins the splits, each by exp(its largest − the largest of all), and divides by the sum of
// all weights.
//
// Bound by memory: 16384 pixels of 512 channels in bfloat16 take an H200 4 µs. The logits of a split are
// read twice, the second time from a cache, by each of the blocks that share it.

#include <cmath>

#include "cuda/device/shared.h"
#include "cuda/ops/region-sums.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

/// A lane has the classes lane, lane + 32, … of a tile, in every eighth pixel.
constexpr int kMostParts = 192 / kWarpLanes;

__device__ __forceinline__ float minuend(float largest) { return largest == -INFINITY ? 0 : largest; }

/// exp(scale · logit − largest) in place of logits, and their sums.
struct Exponential {
  float scale;
  float largest[kMostParts], sum[kMostParts];

  __device__ __forceinline__ Pack<float, 1> operator()(int part, const Pack<float, 1>& logit, bool inside) {
    const float weight = inside ? expf(scale * logit.elements[0] - minuend(largest[part])) : 0;
    sum[part] += weight;
    return {weight};
  }
};

/// What is left of the splits: of each image and split `sums` (classes, paddedChannels), and of each class
/// the largest logit and the sum of the weights.
struct SplitSums {
  float *sums, *largest, *weights;

  SplitSums(const RegionSizes& s, const Splits& splits, float* scratch)
      : sums(scratch),
        largest(sums + s.images * splits.floats(s)),
        weights(largest + s.images * splits.count * s.classes) {}
  static std::size_t bytes(const RegionSizes& s, const Splits& splits) {
    return s.images * (splits.floats(s) + 2 * splits.count * s.classes) * sizeof(float);
  }
};

template <class T, bool packed>
struct Gathering {
  Operand<float, false> logits;  // of one image
  Operand<T, packed> features;
  RegionSizes sizes;
  Splits splits;
  SplitSums to;
  float scale;
};

template <class Engine_, class T_, bool packed_, int tileClasses_>
struct GatherKinds {
  using Engine = Engine_;
  using T = T_;
  static constexpr bool packed = packed_;
  static constexpr int tileClasses = tileClasses_, parts = tileClasses / kWarpLanes;
  using LogitsCopy = TileCopy<Engine, float, false, Rows::acrossDepth, tileClasses, Exponential>;
  using FeaturesCopy = TileCopy<Engine, T, packed, Rows::acrossDepth, kTileColumns>;
  struct Memory {
    ProductMemory<LogitsCopy, FeaturesCopy> tiles;
    float ofWarps[kProductWarps][tileClasses];
  };
};

/// Replaces what each warp has for a lane's classes by what combine makes of those of all warps.
template <int parts, class Memory, class Combine>
__device__ __forceinline__ void joinWarps(float (&x)[kMostParts], Memory& ofWarps, const Combine& combine) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
#pragma unroll
  for (int part = 0; part < parts; ++part) {
    ofWarps[threadIdx.x / kWarpLanes][part * kWarpLanes + lane] = x[part];
  }
  __syncthreads();
#pragma unroll
  for (int part = 0; part < parts; ++part) {
    x[part] = ofWarps[0][part * kWarpLanes + lane];
#pragma unroll
    for (int warp = 1; warp < kProductWarps; ++warp) {
      x[part] = combine(x[part], ofWarps[warp][part * kWarpLanes + lane]);
    }
  }
  __syncthreads();
}

template <class Kinds>
__global__ void __launch_bounds__(kProductThreads, atOnce(2))
    gatherKernel(Gathering<typename Kinds::T, Kinds::packed> g) {
  using Engine = typename Kinds::Engine;
  constexpr int kClasses = Kinds::tileClasses, kParts = Kinds::parts;
  const RegionSizes& s = g.sizes;
  std::int64_t rest = blockIdx.x;
  const auto next = [&](std::int64_t count) {
    const std::int64_t index = rest % count;
    rest /= count;
    return index;
  };
  const std::int64_t firstChannel = next(g.splits.paddedChannels / kTileColumns) * kTileColumns;
  const std::int64_t firstClass = next((s.classes + kClasses - 1) / kClasses) * kClasses;
  const std::int64_t split = next(g.splits.count), image = rest;
  const std::int64_t firstPixel = split * g.splits.pixels, restPixels = s.pixels - firstPixel;
  const auto pixels = static_cast<int>(restPixels < g.splits.pixels ? restPixels : g.splits.pixels);
  g.logits.data += image * s.pixels * g.logits.stride;
  g.features.data += image * s.pixels * g.features.stride;
  const std::int64_t firstPart = (image * g.splits.count + split) * s.classes + firstClass;

  auto& memory = sharedMemory<typename Kinds::Memory>();
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes,
            warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  Exponential exponential{.scale = g.scale, .largest = {}, .sum = {}};
#pragma unroll
  for (int part = 0; part < kParts; ++part) exponential.largest[part] = -INFINITY;
#pragma unroll 8
  for (int pixel = warp; pixel < pixels; pixel += kProductWarps) {
    const float* const from = g.logits.data + (firstPixel + pixel) * g.logits.stride + firstClass;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const int c = part * kWarpLanes + lane;
      if (firstClass + c < s.classes) {
        exponential.largest[part] = fmaxf(exponential.largest[part], g.scale * from[c]);
      }
    }
  }
  joinWarps<kParts>(exponential.largest, memory.ofWarps, [](float a, float b) { return fmaxf(a, b); });

  typename Kinds::LogitsCopy logits(g.logits, firstClass, firstPixel, memory.tiles.a, exponential);
  typename Kinds::FeaturesCopy features(g.features, firstChannel, firstPixel, memory.tiles.b);
  TileSums<Engine, kClasses, kTileColumns> sums;
  sums.clear();
  overlapped((pixels + Engine::kDepth - 1) / Engine::kDepth,
             [&](int step) {
               sums.template multiply<Rows::acrossDepth, Rows::acrossDepth, Kinds::LogitsCopy::kHalves,
                                      Kinds::FeaturesCopy::kHalves>(logits.tile(step), features.tile(step));
             },
             logits, features);
  float* const to = g.to.sums + firstPart * g.splits.paddedChannels + firstChannel;
  sums.eachPair([&](int c, int channel, float x0, float x1) {
    const float results[2] = {x0, x1};
    if (firstClass + c < s.classes) storePack<2>(to + c * g.splits.paddedChannels + channel, results);
  });
  if (firstChannel > 0) return;
  exponential = logits.change();
  joinWarps<kParts>(exponential.sum, memory.ofWarps, [](float a, float b) { return a + b; });
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    const int c = part * kWarpLanes + lane;
    if (warp != 0 || firstClass + c >= s.classes) continue;
    g.to.largest[firstPart + c] = exponential.largest[part];
    g.to.weights[firstPart + c] = exponential.sum[part];
  }
}

/// y (images, classes, channels), an element a thread.
template <class T>
__global__ void __launch_bounds__(kElementThreads)
    joinSplitsKernel(RegionSizes s, Splits splits, SplitSums from, T* y) {
  const std::int64_t i = packIndex();
  if (i >= s.images * s.classes * s.channels) return;
  const std::int64_t row = i / s.channels, image = row / s.classes, c = row % s.classes;
  const std::int64_t first = image * splits.count * s.classes + c;
  float largest = -INFINITY;
  for (std::int64_t split = 0; split < splits.count; ++split) {
    largest = fmaxf(largest, from.largest[first + split * s.classes]);
  }
  float sum = 0, weights = 0;
#pragma unroll 4
  for (std::int64_t split = 0; split < splits.count; ++split) {
    const std::int64_t at = first + split * s.classes;
    const float factor = expf(from.largest[at] - minuend(largest));
    weights = fmaf(factor, from.weights[at], weights);
    sum = fmaf(factor, from.sums[at * splits.paddedChannels + i % s.channels], sum);
  }
  y[i] = fromFloat32<T>(sum / weights);
}

RegionSizes gatheredSizes(const StepDescription& step) {
  const TensorInfo &logits = *step.input(0), &features = *step.input(1);
  return {features.shape[0], features.shape[1] * features.shape[2], logits.channels(), features.channels()};
}

Choice chooseGatherRegions(const StepDescription& step, const Device&) {
  const RegionSizes sizes = gatheredSizes(step);
  return {.scratchBytes = SplitSums::bytes(sizes, Splits(sizes))};
}

template <class Kinds>
void enqueueGathering(const Gathering<typename Kinds::T, Kinds::packed>& g, cudaStream_t stream) {
  const std::int64_t blocks = g.splits.paddedChannels / kTileColumns *
                              divideUp(g.sizes.classes, std::int64_t{Kinds::tileClasses}) * g.splits.count *
                              g.sizes.images;
  launch<gatherKernel<Kinds>>(
      {dim3(static_cast<unsigned>(blocks)), kProductThreads, sizeof(typename Kinds::Memory)}, stream, g);
}

/// Sums of more classes are more than registers hold beside what single floats, or halves of features, need.
template <class Engine, class T>
inline constexpr int kMostTileClasses = std::is_same_v<Engine, Tensor<T>> ? 192 : 128;

class GatherStep final : public PreparedStep {
 public:
  GatherStep(const StepDescription& step, const Device& device)
      : device_(device),
        sizes_(gatheredSizes(step)),
        type_(step.input(1)->dataType),
        logitsStride_(step.input(0)->pixelStride),
        featuresStride_(step.input(1)->pixelStride),
        scale_(step.attributes<GatherRegionsAttributes>().scale) {}

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    const Splits splits(sizes_);
    const SplitSums to(sizes_, splits, memory.scratchAs<float>());
    const auto gather = [&](auto element, auto engine, auto packed) {
      using T = decltype(element);
      using Engine = decltype(engine);
      constexpr bool kPacked = decltype(packed)::value;
      const Gathering<T, kPacked> g{
          .logits = {memory.in<float>(0), logitsStride_, sizes_.pixels, sizes_.classes},
          .features = {memory.in<T>(1), featuresStride_, sizes_.pixels, sizes_.channels},
          .sizes = sizes_,
          .splits = splits,
          .to = to,
          .scale = scale_};
      if constexpr (kPacked) {
        if (sizes_.classes <= 32) {
          enqueueGathering<GatherKinds<Engine, T, true, 32>>(g, stream);
        } else {
          enqueueGathering<GatherKinds<Engine, T, true, kMostTileClasses<Engine, T>>>(g, stream);
        }
      } else {
        enqueueGathering<GatherKinds<Engine, T, false, 64>>(g, stream);
      }
      const PixelPacks elements{sizes_.images * sizes_.classes, sizes_.channels};
      launch<joinSplitsKernel<T>>(elements.shape(), stream, sizes_, splits, to, memory.out<T>(0));
    };
    withMixedEngine(device_, type_, memory.inputs[1], featuresStride_, sizes_.channels, gather);
  }

 private:
  const Device device_;
  const RegionSizes sizes_;
  const DataType type_;
  const std::int64_t logitsStride_, featuresStride_;
  const float scale_;
};

std::unique_ptr<PreparedStep> prepareGatherRegions(const StepDescription& step, const Device& device,
                                                   Parameters&) {
  requireChoice(step, chooseGatherRegions(step, device));
  return std::make_unique<GatherStep>(step, device);
}

}  // namespace

const Op gatherRegionsOp{.choose = chooseGatherRegions, .prepare = prepareGatherRegions};

}  // namespace ocrnet::cuda

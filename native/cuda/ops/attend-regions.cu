// A block of threads has 64 pixels: relation = query · keyᵀ, softmax over the classes, y = relation · value.
// The relation of a block stays in shared memory, which has room for 600 classes in float32 and 350 in
// types of 16 bits. For more it lies in scratch, written and read by one kernel after another.
//
// 16384 pixels, 256 channels each of query, key and value, in bfloat16: query and y are 16 MB, 4 µs of an
// H200's bandwidth. The products take 0.3 GFLOP for 19 classes, 3 for 171: another 4 µs at the full rate of
// its tensor cores.

#include <algorithm>
#include <cmath>

#include "cuda/device/activation.h"
#include "cuda/device/shared.h"
#include "cuda/ops/region-product.h"
#include "cuda/ops/relation.h"
#include "cuda/ops/tile-product.h"
#include "cuda/pixel-packs.h"

namespace ocrnet::cuda {

namespace {

constexpr int kTilePixels = 64, kTileChannels = 128;
/// The threads of a pixel in the softmax.
constexpr int kParts = kProductThreads / kTilePixels;

template <class T, bool packed>
struct RegionAttention {
  Operand<T, packed> query, key, value;  // of one image
  T* y;
  std::int64_t yStride, images, depth, classes, channels;
  float scale;
  bool pairs;  // of neighbouring channels of y may be written in one piece
  Epilogue epilogue;
};

struct SoftmaxMemory {
  float maxima[kParts][kTilePixels], sums[kParts][kTilePixels];
};

/// A block's shared memory, in bytes from its start. The tiles of the two products are never there at once:
/// those of the second lie where the scores were or, if the relation takes the scores' own place, where the
/// first one's were.
template <class T, bool packed, int tileClasses>
struct SharedLayout {
  using Engine = EngineFor<T>;
  using Element = typename Engine::Element;
  using QueryCopy = TileCopy<Engine, T, packed, Rows::alongDepth, kTilePixels>;
  using KeyCopy = TileCopy<Engine, T, packed, Rows::alongDepth, tileClasses>;
  using ValueCopy = TileCopy<Engine, T, packed, Rows::acrossDepth, kTileChannels>;
  using ScoreTiles = ProductMemory<QueryCopy, KeyCopy>;
  using ValueTiles = typename ValueCopy::Memory;
  using RelationTile = typename Engine::template Tile<Rows::acrossDepth, kTilePixels>;
  static constexpr bool kInPlace = std::is_same_v<Element, float>;
  static constexpr int kHalves = kInPlace ? 1 : 2;  // of the relation, see TileCopy
  static constexpr int kScoreStride = Simt::Tile<Rows::acrossDepth, kTilePixels>::kStride;
  static constexpr int kStepElements = kHalves * RelationTile::kElements;  // of a step of the depth
  static constexpr std::size_t kValueBytes = sizeof(ValueTiles);

  int paddedClasses;
  std::size_t scores, bytes;

  __host__ __device__ explicit SharedLayout(std::int64_t classes)
      : paddedClasses(static_cast<int>((classes + Engine::kDepth - 1) / Engine::kDepth * Engine::kDepth)) {
    const std::size_t relationBytes = kHalves * paddedClasses * RelationTile::kStride * sizeof(Element);
    const std::size_t scoreBytes = paddedClasses * kScoreStride * sizeof(float);
    const std::size_t second = kInPlace ? kValueBytes : relationBytes;
    scores = sizeof(SoftmaxMemory) + (sizeof(ScoreTiles) > second ? sizeof(ScoreTiles) : second);
    bytes = scores + (kInPlace || scoreBytes > kValueBytes ? scoreBytes : kValueBytes);
  }
  __device__ static SoftmaxMemory& softmaxAt(std::byte* memory) {
    return *reinterpret_cast<SoftmaxMemory*>(memory);
  }
  __device__ static ScoreTiles& scoreTilesAt(std::byte* memory) {
    return *reinterpret_cast<ScoreTiles*>(memory + sizeof(SoftmaxMemory));
  }
  __device__ float* scoresAt(std::byte* memory) const { return reinterpret_cast<float*>(memory + scores); }
  __device__ Element* relationAt(std::byte* memory) const {
    return reinterpret_cast<Element*>(memory + (kInPlace ? scores : sizeof(SoftmaxMemory)));
  }
  __device__ ValueTiles& valuesAt(std::byte* memory) const {
    return *reinterpret_cast<ValueTiles*>(memory + (kInPlace ? sizeof(SoftmaxMemory) : scores));
  }
};

/// relation (classes, pixels) = exp(scale · scores − maximum of the pixel), 0 beyond the classes; what a
/// pixel's is to be multiplied by is left in sums[0]. All threads must come.
template <class L>
__device__ __forceinline__ void exponentiate(const L& layout, int classes, float scale, const float* scores,
                                             typename L::Element* relation, SoftmaxMemory& memory) {
  const int pixel = static_cast<int>(threadIdx.x) % kTilePixels;
  const int part = static_cast<int>(threadIdx.x) / kTilePixels;
  float maximum = -INFINITY, sum = 0;
  for (int c = part; c < classes; c += kParts) {
    maximum = fmaxf(maximum, scale * scores[c * L::kScoreStride + pixel]);
  }
  memory.maxima[part][pixel] = maximum;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kParts; ++i) maximum = fmaxf(maximum, memory.maxima[i][pixel]);
  for (int c = part; c < layout.paddedClasses; c += kParts) {
    const float power = c < classes ? expf(scale * scores[c * L::kScoreStride + pixel] - maximum) : 0;
    if constexpr (L::kHalves == 1) {
      relation[c * L::RelationTile::kStride + pixel] = power;
    } else {
      auto* const upper = relation + c / L::Engine::kDepth * L::kStepElements +
                          c % L::Engine::kDepth * L::RelationTile::kStride + pixel;
      halve(power, upper[0], upper[L::RelationTile::kElements]);
    }
    sum += power;
  }
  memory.sums[part][pixel] = sum;
  __syncthreads();
  sum = 0;
#pragma unroll
  for (int i = 0; i < kParts; ++i) sum += memory.sums[i][pixel];
  __syncthreads();
  if (part == 0) memory.sums[0][pixel] = 1 / sum;
  __syncthreads();
}

template <class T, bool packed, int tileClasses>
__global__ void __launch_bounds__(kProductThreads, atOnce(2)) attendKernel(RegionAttention<T, packed> a) {
  using L = SharedLayout<T, packed, tileClasses>;
  using Engine = typename L::Engine;
  const L layout(a.classes);
  std::byte* const memory = &sharedMemory<std::byte>();
  const std::int64_t pixels = a.query.rows, tiles = (pixels + kTilePixels - 1) / kTilePixels;
  const std::int64_t image = blockIdx.x / tiles, firstPixel = blockIdx.x % tiles * kTilePixels;
  a.query.data += image * pixels * a.query.stride;
  a.key.data += image * a.classes * a.depth;
  a.value.data += image * a.classes * a.channels;
  a.y += (image * pixels + firstPixel) * a.yStride;

  float* const scores = layout.scoresAt(memory);
  for (std::int64_t firstClass = 0; firstClass < a.classes; firstClass += tileClasses) {
    TileSums<Engine, kTilePixels, tileClasses> sums;
    sums.clear();
    auto& tiles = L::scoreTilesAt(memory);
    typename L::QueryCopy queries(a.query, firstPixel, 0, tiles.a);
    typename L::KeyCopy keys(a.key, firstClass, 0, tiles.b);
    overlapped(
        static_cast<int>((a.depth + Engine::kDepth - 1) / Engine::kDepth),
        [&](int step) {
          sums.template multiply<Rows::alongDepth, Rows::alongDepth>(queries.tile(step), keys.tile(step));
        },
        queries, keys);
    const int first = static_cast<int>(firstClass), rest = layout.paddedClasses - first;
    sums.eachPair([&](int pixel, int c, float s0, float s1) {
      if (c >= rest) return;  // both: the padded classes are even
      scores[(first + c) * L::kScoreStride + pixel] = s0;
      scores[(first + c + 1) * L::kScoreStride + pixel] = s1;
    });
  }
  __syncthreads();
  auto* const relation = layout.relationAt(memory);
  SoftmaxMemory& softmax = L::softmaxAt(memory);
  exponentiate(layout, static_cast<int>(a.classes), a.scale, scores, relation, softmax);

  for (std::int64_t firstChannel = 0; firstChannel < a.channels; firstChannel += kTileChannels) {
    TileSums<Engine, kTilePixels, kTileChannels> sums;
    sums.clear();
    typename L::ValueCopy values(a.value, firstChannel, 0, layout.valuesAt(memory));
    overlapped(
        layout.paddedClasses / Engine::kDepth,
        [&](int step) {
          sums.template multiply<Rows::acrossDepth, Rows::acrossDepth, L::kHalves>(
              relation + step * L::kStepElements, values.tile(step));
        },
        values);
    sums.eachPair([&](int pixel, int channel, float x0, float x1) {
      const std::int64_t rest = a.channels - firstChannel - channel;
      if (firstPixel + pixel >= pixels || rest <= 0) return;
      const float factor = softmax.sums[0][pixel];
      const float results[2] = {activated(x0 * factor, a.epilogue), activated(x1 * factor, a.epilogue)};
      T* const y = a.y + pixel * a.yStride + firstChannel + channel;
      if (a.pairs && rest > 1) return storePack<2>(y, results);
      y[0] = fromFloat32<T>(results[0]);
      if (rest > 1) y[1] = fromFloat32<T>(results[1]);
    });
  }
}

/// body(T{}, whether packed, tile of classes) for a step.
template <class Body>
void withTile(DataType type, bool packed, std::int64_t classes, const Body& body) {
  withFloatType(type, [&](auto element) {
    if (!packed) return body(element, std::false_type{}, std::integral_constant<int, 64>{});
    if (classes <= 32) return body(element, std::true_type{}, std::integral_constant<int, 32>{});
    if (classes <= 64) return body(element, std::true_type{}, std::integral_constant<int, 64>{});
    body(element, std::true_type{}, std::integral_constant<int, 96>{});
  });
}

enum Algorithm : std::uint32_t { relationInBlocks, relationInScratch };

RegionSizes attendedSizes(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  return {query.shape[0], query.shape[1] * query.shape[2], value.shape[1], value.channels()};
}

Choice chooseAttendRegions(const StepDescription& step, const Device& device) {
  const RegionSizes sizes = attendedSizes(step);
  // Whether addresses are packed is known when they are: both must fit.
  std::size_t sharedBytes = 0;
  for (const bool packed : {false, true}) {
    withTile(step.input(0)->dataType, packed, sizes.classes, [&](auto element, auto isPacked, auto tile) {
      const SharedLayout<decltype(element), decltype(isPacked)::value, decltype(tile)::value> layout(
          sizes.classes);
      sharedBytes = std::max(sharedBytes, layout.bytes);
    });
  }
  if (sharedBytes <= device.sharedBytes) return {.algorithm = relationInBlocks, .name = "relation in blocks"};
  return {.algorithm = relationInScratch,
          .name = "relation in scratch",
          .scratchBytes = sizes.images * sizes.pixels * sizes.classes * sizeof(float)};
}

std::unique_ptr<PreparedStep> prepareAttendRegions(const StepDescription& step, const Device& device,
                                                   Parameters&) {
  const Choice choice = chooseAttendRegions(step, device);
  requireChoice(step, choice);
  const auto& attributes = step.attributes<AttendRegionsAttributes>();
  const TensorInfo &query = *step.input(0), &y = *step.output(0);
  return preparedStep([device, sizes = attendedSizes(step), type = query.dataType, depth = query.channels(),
                       queryStride = query.pixelStride, yStride = y.pixelStride, scale = attributes.scale,
                       epilogue = Epilogue{attributes.activation, attributes.negativeSlope},
                       inScratch = choice.algorithm == relationInScratch](const StepMemory& memory,
                                                                          cudaStream_t stream) {
    if (inScratch) {
      RegionSizes keys = sizes;
      keys.channels = depth;
      auto* const relation = memory.scratchAs<float>();
      enqueueScores(device, type, keys, {memory.inputs[0], queryStride}, memory.inputs[1],
                    {relation, sizes.classes}, stream);
      enqueueRelation(sizes.images * sizes.pixels, sizes.classes, scale, relation, nullptr, stream);
      return enqueueMixture(device, type, sizes, {relation, sizes.classes}, memory.inputs[2],
                            {memory.outputs[0], yStride}, epilogue, stream);
    }
    const auto packs = [&](auto element) {
      using T = decltype(element);
      return fitsPacked<T>(memory.inputs[0], queryStride, depth) &&
             fitsPacked<T>(memory.inputs[1], depth, depth) &&
             fitsPacked<T>(memory.inputs[2], sizes.channels, sizes.channels);
    };
    bool packed = false;
    withFloatType(type, [&](auto element) { packed = packs(element); });
    withTile(type, packed, sizes.classes, [&](auto element, auto isPacked, auto tile) {
      using T = decltype(element);
      constexpr bool kPacked = decltype(isPacked)::value;
      constexpr int kTileClasses = decltype(tile)::value;
      const RegionAttention<T, kPacked> attention{
          .query = {memory.in<T>(0), queryStride, sizes.pixels, depth},
          .key = {memory.in<T>(1), depth, sizes.classes, depth},
          .value = {memory.in<T>(2), sizes.channels, sizes.classes, sizes.channels},
          .y = memory.out<T>(0),
          .yStride = yStride,
          .images = sizes.images,
          .depth = depth,
          .classes = sizes.classes,
          .channels = sizes.channels,
          .scale = scale,
          .pairs =
              yStride % 2 == 0 && reinterpret_cast<std::uintptr_t>(memory.outputs[0]) % (2 * sizeof(T)) == 0,
          .epilogue = epilogue};
      const std::int64_t blocks = sizes.images * divideUp(sizes.pixels, std::int64_t{kTilePixels});
      launch<attendKernel<T, kPacked, kTileClasses>>(
          {dim3(static_cast<unsigned>(blocks)), kProductThreads,
           SharedLayout<T, kPacked, kTileClasses>(sizes.classes).bytes},
          stream, attention);
    });
  });
}

}  // namespace

const Op attendRegionsOp{.choose = chooseAttendRegions, .prepare = prepareAttendRegions};

}  // namespace ocrnet::cuda

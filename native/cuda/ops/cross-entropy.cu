// One pass over the labels makes the softmax of each pixel from the logits around it, and the loss. It leaves
// what the gradient needs of the softmax, two numbers a pixel; the map of all scores is nowhere held. Then
// each logit gathers its gradient from the labels that it had a part in: their scores are mixed from the
// logits around it, which the thread holds in registers. Sums are taken in fixed orders.

#include "core/labels.h"
#include "cuda/memory.h"
#include "cuda/ops/hard-pixels.h"
#include "cuda/ops/resized-scores.h"
#include "cuda/ops/share-tables.h"
#include "cuda/ops/total.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

namespace {

/// Of a pixel's scores: the highest, and what exp(score − most) is multiplied by. A pixel that does not count
/// has a negative factor.
struct alignas(8) PixelSoftmax {
  float most, factor;
};
constexpr PixelSoftmax kDoesNotCount{0, -1};

/// Of the whole batch.
struct BatchState {
  unsigned long long
      wrongLabel;  // the first pixel with a label that is no class, and the label: pixel · 2¹⁶ + label
  float smoothingTotal, gradientScale;
  unsigned histograms[kFloatBytes * kByteValues];
  RankedPrefix prefixes[kFloatBytes];
};
constexpr unsigned long long kNoWrongLabel = ~0ull;

/// A loss, and the sum of the class weights that it is divided by.
struct WeightedLoss {
  double loss, weight;
};

struct CrossEntropy {
  ResizedScores scores;
  const void* labels;
  std::int32_t ignoreLabel;
  const float* classWeights;    // null where all are 1
  float targetPart, smoothing;  // of the target distribution: what lies on the label, and on each class
  BatchState* state;
  PixelSoftmax* softmax;               // (pixels), as below
  double *losses, *weights;            // (blocks of pixels)
  float *pixelLosses, *probabilities;  // for hard pixels alone

  __device__ __forceinline__ float classWeight(std::int64_t k) const {
    return classWeights ? classWeights[k] : 1;
  }
};

/// What comes first: nothing is wrong yet, nothing counted, and Σ smoothing · class weight.
__global__ void __launch_bounds__(kElementThreads) beginKernel(CrossEntropy c) {
  double total = 0;
  for (std::int64_t k = threadIdx.x; k < c.scores.classes; k += kElementThreads) {
    total += static_cast<double>(c.smoothing * c.classWeight(k));
  }
  total = blockSum(total, sharedMemory<TotalMemory>());
  for (int i = threadIdx.x; i < kFloatBytes * kByteValues; i += kElementThreads) c.state->histograms[i] = 0;
  if (threadIdx.x != 0) return;
  c.state->wrongLabel = kNoWrongLabel;
  c.state->smoothingTotal = static_cast<float>(total);
}

/// Leaves a block's sum of what its threads have.
__device__ __forceinline__ void addUp(const CrossEntropy& c, const WeightedLoss& own) {
  auto& memory = sharedMemory<TotalMemory>();
  const double loss = blockSum(own.loss, memory), weight = blockSum(own.weight, memory);
  if (threadIdx.x != 0) return;
  c.losses[blockIdx.x] = loss;
  c.weights[blockIdx.x] = weight;
}

/// With T the target distribution times the class weights: ΣT · ln sum + ΣT (most − score).
struct PixelLoss {
  PixelSoftmax softmax;
  float loss, probability;
};
__device__ __forceinline__ PixelLoss lossOf(const CrossEntropy& c, const PixelScores& score,
                                            std::int64_t label) {
  float most = -INFINITY;
#pragma unroll 4
  for (std::int64_t k = 0; k < c.scores.classes; ++k) most = fmaxf(most, score(k));
  float sum = 0, smoothed = 0;
#pragma unroll 4
  for (std::int64_t k = 0; k < c.scores.classes; ++k) {
    const float below = score(k) - most;
    sum += expf(below);
    if (c.smoothing != 0) smoothed -= c.smoothing * c.classWeight(k) * below;
  }
  const float target = c.targetPart * c.classWeight(label), distance = most - score(label);
  return {{most, 1 / sum},
          fmaf(target + c.state->smoothingTotal, logf(sum), fmaf(target, distance, smoothed)),
          expf(-distance) / sum};
}

template <class Label, bool hard>
__global__ void __launch_bounds__(kElementThreads) lossKernel(CrossEntropy c, MapPacks pixels) {
  const std::int64_t i = packIndex();
  WeightedLoss own{0, 0};
  if (i < pixels.count) {
    const std::int64_t label = static_cast<const Label*>(c.labels)[i];
    const bool ignored = label == c.ignoreLabel;
    PixelLoss pixel{kDoesNotCount, 0, -1};
    if (!ignored && label >= c.scores.classes) {
      atomicMin(&c.state->wrongLabel, static_cast<unsigned long long>(i << 16 | label));
    } else if (!ignored) {
      pixel = lossOf(c, c.scores.at(pixels.place(i)), label);
      own = {static_cast<double>(pixel.loss), static_cast<double>(c.classWeight(label))};
    }
    c.softmax[i] = pixel.softmax;
    if constexpr (hard) {
      c.pixelLosses[i] = pixel.loss;
      c.probabilities[i] = pixel.probability;
    }
  }
  if constexpr (!hard) addUp(c, own);
}

/// Of the hard pixels; the others do not count any more. A NaN counts, so that it is not overlooked.
template <class Label>
__global__ void __launch_bounds__(kElementThreads) hardLossKernel(CrossEntropy c, HardPixels hard) {
  float& threshold = *reinterpret_cast<float*>(&sharedMemory<TotalMemory>());
  if (threadIdx.x < kWarpLanes) {
    const float found = hardThreshold(hard);
    if (threadIdx.x == 0) threshold = found;
  }
  __syncthreads();
  const float most = threshold;
  __syncthreads();  // the memory is used again
  const std::int64_t i = packIndex();
  WeightedLoss own{0, 0};
  if (i < hard.count && !(c.softmax[i].factor < 0)) {
    if (c.probabilities[i] > most) {
      c.softmax[i] = kDoesNotCount;
    } else {
      own = {static_cast<double>(c.pixelLosses[i]),
             static_cast<double>(c.classWeight(static_cast<const Label*>(c.labels)[i]))};
    }
  }
  addUp(c, own);
}

__global__ void __launch_bounds__(kElementThreads)
    meanKernel(CrossEntropy c, std::int64_t blocks, float weight, const float* lossScale, float* loss) {
  const double total = totalOf(c.losses, blocks), divisor = totalOf(c.weights, blocks);
  if (threadIdx.x != 0) return;
  const double scale = divisor == 0 ? 0 : static_cast<double>(weight) / divisor;
  c.state->gradientScale = static_cast<float>(scale) * (lossScale ? *lossScale : 1);
  *loss = divisor == 0 ? 0 : static_cast<float>(scale * total);
}

/// Gradient of a score: ΣT · p − T. Up to (2 · rows / height + 1) · (2 · columns / width + 1) labels a
/// thread, with an exponential and a dozen instructions each.
template <class Label>
__global__ void __launch_bounds__(kElementThreads)
    gradientKernel(CrossEntropy c, std::int64_t labelHeight, std::int64_t labelWidth, Shares rows,
                   Shares columns, float* dLogits, MapPacks elements) {
  const std::int64_t index = packIndex();
  if (index >= elements.count) return;
  const auto [pixel, image, row, column, k] = elements.place(index);
  const auto& [height, width, classes, logits, rowTaps, columnTaps] = c.scores;
  float around[3][3];  // the logits of this class
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    const std::int64_t y = min(max(row + i - 1, std::int64_t{0}), height - 1);
#pragma unroll
    for (int j = 0; j < 3; ++j) {
      const std::int64_t x = min(max(column + j - 1, std::int64_t{0}), width - 1);
      around[i][j] = logits[((image * height + y) * width + x) * classes + k];
    }
  }
  const float smoothingTotal = c.state->smoothingTotal, smoothed = c.smoothing * c.classWeight(k),
              hit = c.targetPart * c.classWeight(k);
  const BilinearShare rowShare = rows.shares[row], columnShare = columns.shares[column];
  float sum = 0;
  for (std::int32_t i = rowShare.first; i < rowShare.end; ++i) {
    const BilinearTap tap = rowTaps[i];
    const bool begins = tap.first == row;  // else it ends here
    float line[3];
#pragma unroll
    for (int j = 0; j < 3; ++j) {
      line[j] = mixed(begins ? around[1][j] : around[0][j], begins ? around[2][j] : around[1][j], tap.weight);
    }
    const std::int64_t labelRow = (image * labelHeight + i) * labelWidth;
    float rowSum = 0;
    for (std::int32_t j = columnShare.first; j < columnShare.end; ++j) {
      const PixelSoftmax softmax = c.softmax[labelRow + j];
      if (softmax.factor < 0) continue;
      const BilinearTap columnTap = columnTaps[j];
      const bool left = columnTap.first == column;
      const float score = mixed(left ? line[1] : line[0], left ? line[2] : line[1], columnTap.weight);
      const std::int64_t label = static_cast<const Label*>(c.labels)[labelRow + j];
      const float total = fmaf(c.targetPart, c.classWeight(label), smoothingTotal);
      const float g =
          total * (expf(score - softmax.most) * softmax.factor) - (label == k ? hit : 0) - smoothed;
      rowSum = fmaf(columns.weights[columnShare.weight + j - columnShare.first], g, rowSum);
    }
    sum = fmaf(rows.weights[rowShare.weight + i - rowShare.first], rowSum, sum);
  }
  dLogits[index] = c.state->gradientScale * sum;
}

/// Where each thing lies in scratch, in bytes.
struct LossScratch {
  std::int64_t pixels;
  bool hard;

  explicit LossScratch(const StepDescription& step)
      : pixels(step.input(1)->elements()),
        hard(step.attributes<CrossEntropyAttributes>().hardThreshold > 0) {}

  std::int64_t blocks() const { return divideUp(pixels, std::int64_t{kElementThreads}); }

  std::size_t lossesAt() const { return roundUp(sizeof(BatchState), kScratchAlignment); }
  std::size_t weightsAt() const { return behind(lossesAt(), blocks() * sizeof(double)); }
  std::size_t softmaxAt() const { return behind(weightsAt(), blocks() * sizeof(double)); }
  std::size_t pixelLossesAt() const { return behind(softmaxAt(), pixels * sizeof(PixelSoftmax)); }
  std::size_t probabilitiesAt() const { return behind(pixelLossesAt(), hardBytes()); }
  std::size_t bytes() const { return behind(probabilitiesAt(), hardBytes()); }

 private:
  std::size_t hardBytes() const { return hard ? pixels * sizeof(float) : 0; }
  static std::size_t behind(std::size_t offset, std::size_t bytes) {
    return roundUp(offset + bytes, kScratchAlignment);
  }
};

class CrossEntropyStep final : public PreparedStep {
 public:
  CrossEntropyStep(const StepDescription& step, const Device& device, const Parameters& parameters)
      : layout_(step),
        attributes_(step.attributes<CrossEntropyAttributes>()),
        logits_(*step.input(0)),
        labels_(*step.input(1)),
        device_(device),
        rows_(parameters, bilinearTaps(logits_.shape[1], labels_.shape[1], attributes_.alignCorners)),
        columns_(parameters, bilinearTaps(logits_.shape[2], labels_.shape[2], attributes_.alignCorners)),
        rowShares_(parameters, logits_.shape[1], labels_.shape[1], attributes_.alignCorners),
        columnShares_(parameters, logits_.shape[2], labels_.shape[2], attributes_.alignCorners),
        wrongLabels_(kRunsInFlight * sizeof(unsigned long long)) {}

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    labels_.dataType == DataType::uint8 ? run<std::uint8_t>(memory, stream)
                                        : run<std::uint16_t>(memory, stream);
  }

  void accept(std::size_t input, const std::byte* values) const override {
    if (input != 1) return;
    labels_.dataType == DataType::uint8
        ? labelMaps().require(reinterpret_cast<const std::uint8_t*>(values), labels_.elements())
        : labelMaps().require(reinterpret_cast<const std::uint16_t*>(values), labels_.elements());
  }

  /// For labels that the plan itself made. Pixels of wrong ones were ignored: what the run wrote is at least
  /// made of numbers.
  void verify(std::size_t slot) const override {
    const unsigned long long wrong = *wrongLabel(slot);
    if (wrong == kNoWrongLabel) return;
    labelMaps().refuse(static_cast<std::int64_t>(wrong >> 16), static_cast<int>(wrong & 0xffff));
  }

 private:
  LabelMaps labelMaps() const {
    return {labels_.shape[1], labels_.shape[2], logits_.channels(), attributes_.ignoreLabel};
  }

  unsigned long long* wrongLabel(std::size_t slot) const {
    return reinterpret_cast<unsigned long long*>(wrongLabels_.data()) + slot;
  }

  CrossEntropy describe(const StepMemory& memory) const {
    const auto at = [&](std::size_t offset) { return memory.scratch + offset; };
    return {.scores = {logits_.shape[1], logits_.shape[2], logits_.channels(), memory.in<float>(0),
                       rows_.data(), columns_.data()},
            .labels = memory.inputs[1],
            .ignoreLabel = attributes_.ignoreLabel,
            .classWeights = memory.in<float>(2),
            .targetPart = 1 - attributes_.labelSmoothing,
            .smoothing = attributes_.labelSmoothing / static_cast<float>(logits_.channels()),
            .state = reinterpret_cast<BatchState*>(at(0)),
            .softmax = reinterpret_cast<PixelSoftmax*>(at(layout_.softmaxAt())),
            .losses = reinterpret_cast<double*>(at(layout_.lossesAt())),
            .weights = reinterpret_cast<double*>(at(layout_.weightsAt())),
            .pixelLosses = reinterpret_cast<float*>(at(layout_.pixelLossesAt())),
            .probabilities = reinterpret_cast<float*>(at(layout_.probabilitiesAt()))};
  }

  template <class Label>
  void run(const StepMemory& memory, cudaStream_t stream) const {
    const CrossEntropy c = describe(memory);
    constexpr LaunchShape kOneBlock{1, kElementThreads, sizeof(TotalMemory)};
    const MapPacks pixels(labels_.shape[0], labels_.shape[1], labels_.shape[2], 1);
    LaunchShape blocks = pixels.shape();
    blocks.sharedBytes = sizeof(TotalMemory);
    launch<beginKernel>(kOneBlock, stream, c);
    if (layout_.hard) {
      launch<lossKernel<Label, true>>(blocks, stream, c, pixels);
      const HardPixels hard{.threshold = attributes_.hardThreshold,
                            .minimum = static_cast<unsigned>(attributes_.hardMinimum),
                            .count = layout_.pixels,
                            .probabilities = c.probabilities,
                            .histograms = c.state->histograms,
                            .prefixes = c.state->prefixes};
      countHardPixels(hard, device_, stream);
      launch<hardLossKernel<Label>>(blocks, stream, c, hard);
    } else {
      launch<lossKernel<Label, false>>(blocks, stream, c, pixels);
    }
    launch<meanKernel>(kOneBlock, stream, c, layout_.blocks(), attributes_.weight, memory.in<float>(3),
                       memory.out<float>(0));
    check(cudaMemcpyAsync(wrongLabel(memory.slot), &c.state->wrongLabel, sizeof(unsigned long long),
                          cudaMemcpyDeviceToHost, stream));
    float* const dLogits = memory.out<float>(1);
    if (!dLogits) return;
    const MapPacks elements(logits_, 1);
    launch<gradientKernel<Label>>(elements.shape(), stream, c, labels_.shape[1], labels_.shape[2],
                                  rowShares_.get(), columnShares_.get(), dLogits, elements);
  }

  const LossScratch layout_;
  const CrossEntropyAttributes attributes_;
  const TensorInfo logits_, labels_;
  const Device device_;
  const Table<BilinearTap> rows_, columns_;
  const ShareTables rowShares_, columnShares_;
  const PinnedMemory wrongLabels_;  // of a run in each slot
};

Choice chooseCrossEntropy(const StepDescription& step, const Device&) {
  return {.scratchBytes = LossScratch(step).bytes()};
}

std::unique_ptr<PreparedStep> prepareCrossEntropy(const StepDescription& step, const Device& device,
                                                  Parameters& parameters) {
  requireChoice(step, chooseCrossEntropy(step, device));
  return std::make_unique<CrossEntropyStep>(step, device, parameters);
}

}  // namespace

const Op crossEntropyOp{.choose = chooseCrossEntropy, .prepare = prepareCrossEntropy};

}  // namespace ocrnet::cuda

// Labels are read once before the scores are: each must be a class, and the divisor of the mean must be known
// before the first gradient is written. Counts are whole numbers, and losses are summed segment by segment
// (see kernels/cross-entropy.cpp): nothing depends on the number of threads.

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "core/labels.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kHalfWordValues = 1 << 16;

/// Sizes, and where each thing lies in scratch, in bytes.
struct LossLayout {
  std::int64_t batch, height, width, classes, labelHeight, labelWidth;
  int threads;
  bool gradient, hard;

  LossLayout(const StepDescription& step, int threadCount)
      : batch(step.input(0)->shape[0]),
        height(step.input(0)->shape[1]),
        width(step.input(0)->shape[2]),
        classes(step.input(0)->channels()),
        labelHeight(step.input(1)->shape[1]),
        labelWidth(step.input(1)->shape[2]),
        threads(threadCount),
        gradient(step.output(1) != nullptr),
        hard(step.attributes<CrossEntropyAttributes>().hardThreshold > 0) {}

  std::int64_t segments() const { return batch * height; }
  std::int64_t pixels() const { return batch * labelHeight * labelWidth; }
  std::int64_t lineFloats() const { return width * paddedClasses(classes); }
  /// See CrossEntropy::scratch.
  std::int64_t threadFloats() const {
    return 5 * lineFloats() + paddedClasses(classes) + 3 * roundUp(labelWidth, kMostLanes);
  }

  std::size_t countsAt() const { return segments() * sizeof(double); }
  std::size_t smoothingAt() const {
    return roundUp(countsAt() + threads * classes * sizeof(std::int64_t), 64);
  }
  std::size_t threadsAt() const { return smoothingAt() + paddedClasses(classes) * sizeof(float); }
  std::size_t probabilitiesAt() const { return threadsAt() + threads * threadFloats() * sizeof(float); }
  std::size_t valuesAt() const { return probabilitiesAt() + (hard ? pixels() : 0) * sizeof(float); }
  std::size_t bytes() const { return valuesAt() + (hard ? kHalfWordValues : 0) * sizeof(std::uint32_t); }
};

/// The k-th smallest of the numbers that are not negative, k from 1 and at most their count: found by the
/// upper half of its bits, then by the lower one.
float kthSmallest(const float* numbers, std::int64_t count, std::int64_t k, std::uint32_t* histogram) {
  const auto find = [&](const auto& binOf) {
    std::fill(histogram, histogram + kHalfWordValues, 0);
    for (std::int64_t i = 0; i < count; ++i) {
      if (!(numbers[i] >= 0)) continue;
      const std::int64_t bin = binOf(std::bit_cast<std::uint32_t>(numbers[i]));
      if (bin >= 0) ++histogram[bin];
    }
    std::uint32_t bin = 0;
    while (k > histogram[bin]) k -= histogram[bin++];
    return bin;
  };
  const std::uint32_t upper = find([](std::uint32_t bits) { return std::int64_t{bits >> 16}; });
  const std::uint32_t lower =
      find([upper](std::uint32_t bits) { return bits >> 16 == upper ? std::int64_t{bits & 0xffff} : -1; });
  return std::bit_cast<float>(upper << 16 | lower);
}

class Pass {
 public:
  Pass(const LossLayout& layout, const CrossEntropyAttributes& attributes, CrossEntropy c,
       const Kernels& kernels, std::byte* scratch)
      : layout_(layout), attributes_(attributes), c_(c), kernels_(kernels), scratch_(scratch) {}

  /// Gives the loss.
  float run() {
    setSmoothing();
    count([](std::int64_t) { return true; });
    if (layout_.hard) findHardPixels();
    double divisor = 0;
    for (std::int64_t k = 0; k < layout_.classes; ++k)
      divisor +=
          static_cast<double>(counts()[k]) * (c_.classWeights ? static_cast<double>(c_.classWeights[k]) : 1);
    const double scale = divisor == 0 ? 0 : static_cast<double>(attributes_.weight) / divisor;
    c_.gradientScale *= static_cast<float>(scale);

    auto* const losses = at<double>(0);
    std::vector<std::int64_t> ends(layout_.threads, 0);
    parallel(layout_.threads, layout_.segments(), 1, [&](Range segments, int thread) {
      kernels_.crossEntropy(ofThread(thread), segments, losses);
      ends[thread] = segments.end;
    });
    if (c_.dLogits) {
      for (int thread = 0; thread < layout_.threads; ++thread) addCarried(thread, ends[thread]);
    }
    double loss = 0;
    for (std::int64_t i = 0; i < layout_.segments(); ++i) loss += losses[i];
    return divisor == 0 ? 0 : static_cast<float>(scale * loss);
  }

 private:
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(scratch_ + offset);
  }
  std::int64_t* counts() const { return at<std::int64_t>(layout_.countsAt()); }

  CrossEntropy ofThread(int thread) const {
    CrossEntropy c = c_;
    c.scratch = at<float>(layout_.threadsAt()) + thread * layout_.threadFloats();
    return c;
  }

  void setSmoothing() {
    const float smoothing = attributes_.labelSmoothing;
    c_.targetPart = 1 - smoothing;
    if (smoothing == 0) return;
    auto* const terms = at<float>(layout_.smoothingAt());
    std::fill(terms, terms + paddedClasses(layout_.classes), 0.0f);
    double total = 0;
    for (std::int64_t k = 0; k < layout_.classes; ++k) {
      terms[k] = smoothing / static_cast<float>(layout_.classes) * (c_.classWeights ? c_.classWeights[k] : 1);
      total += static_cast<double>(terms[k]);
    }
    c_.smoothing = terms;
    c_.smoothingTotal = static_cast<float>(total);
  }

  /// How many of the pixels that `takes` have each class; throws where one has none that there is.
  template <class Takes>
  void count(const Takes& takes) {
    if (c_.labelType == LabelType::uint8)
      return countLabels(static_cast<const std::uint8_t*>(c_.labels), takes);
    countLabels(static_cast<const std::uint16_t*>(c_.labels), takes);
  }
  template <class Label, class Takes>
  void countLabels(const Label* labels, const Takes& takes) {
    const std::int64_t classes = layout_.classes;
    std::int64_t* const all = counts();
    std::fill(all, all + layout_.threads * classes, 0);
    std::vector<std::int64_t> wrong(layout_.threads, layout_.pixels());
    parallel(layout_.threads, layout_.pixels(), 16384, [&](Range range, int thread) {
      std::int64_t* const own = all + thread * classes;
      for (std::int64_t i = range.first; i < range.end; ++i) {
        const std::int64_t label = labels[i];
        if (label == c_.ignoreLabel || !takes(i)) continue;
        if (label < classes) {
          ++own[label];
        } else {
          wrong[thread] = std::min(wrong[thread], i);
        }
      }
    });
    const std::int64_t first = *std::min_element(wrong.begin(), wrong.end());
    if (first < layout_.pixels()) {
      LabelMaps{layout_.labelHeight, layout_.labelWidth, classes, c_.ignoreLabel}.refuse(first,
                                                                                         labels[first]);
    }
    for (std::int64_t i = classes; i < layout_.threads * classes; ++i) all[i % classes] += all[i];
  }

  void findHardPixels() {
    c_.probabilities = at<float>(layout_.probabilitiesAt());
    parallel(layout_.threads, layout_.batch * layout_.labelHeight, 1,
             [&](Range rows, int thread) { kernels_.targetProbabilities(ofThread(thread), rows); });
    std::int64_t known = 0;
    for (std::int64_t i = 0; i < layout_.pixels(); ++i) known += c_.probabilities[i] >= 0 ? 1 : 0;
    const std::int64_t k = std::min<std::int64_t>(attributes_.hardMinimum, known);
    c_.threshold = attributes_.hardThreshold;
    if (k > 0) {
      const float kth =
          kthSmallest(c_.probabilities, layout_.pixels(), k, at<std::uint32_t>(layout_.valuesAt()));
      c_.threshold = std::max(c_.threshold, kth);
    }
    count([this](std::int64_t i) { return !(c_.probabilities[i] > c_.threshold); });
  }

  /// What a thread's last segment adds to the row of logits below, which another thread wrote.
  void addCarried(int thread, std::int64_t segment) const {
    if (segment % layout_.height == 0) return;
    const float* const carried = ofThread(thread).scratch + 4 * layout_.lineFloats();
    for (std::int64_t column = 0; column < layout_.width; ++column) {
      float* const out = c_.dLogits + (segment * layout_.width + column) * layout_.classes;
      for (std::int64_t k = 0; k < layout_.classes; ++k)
        out[k] += carried[column * paddedClasses(layout_.classes) + k];
    }
  }

  const LossLayout& layout_;
  const CrossEntropyAttributes& attributes_;
  CrossEntropy c_;
  const Kernels& kernels_;
  std::byte* const scratch_;
};

/// The first row of labels of each segment, and the end of the last.
std::vector<std::int64_t> segmentsOf(const std::vector<BilinearTap>& rows, std::int64_t height) {
  std::vector<std::int64_t> firsts(height + 1, static_cast<std::int64_t>(rows.size()));
  for (std::int64_t i = static_cast<std::int64_t>(rows.size()) - 1; i >= 0; --i) firsts[rows[i].first] = i;
  for (std::int64_t i = height - 1; i >= 0; --i) firsts[i] = std::min(firsts[i], firsts[i + 1]);
  return firsts;
}

Choice chooseCrossEntropy(const StepDescription& step, const Device& device) {
  return {.scratchBytes = LossLayout(step, device.threads).bytes()};
}

std::unique_ptr<PreparedStep> prepareCrossEntropy(const StepDescription& step, const Device& device,
                                                  Weights&) {
  requireChoice(step, chooseCrossEntropy(step, device));
  const auto& attributes = step.attributes<CrossEntropyAttributes>();
  const LossLayout layout(step, device.threads);
  std::vector<BilinearTap> rows = bilinearTaps(layout.height, layout.labelHeight, attributes.alignCorners);
  std::vector<std::int64_t> segments = segmentsOf(rows, layout.height);
  return preparedStep(
      [layout, attributes, rows = std::move(rows), segments = std::move(segments),
       columns = bilinearTaps(layout.width, layout.labelWidth, attributes.alignCorners),
       labelType = step.input(1)->dataType == DataType::uint8 ? LabelType::uint8 : LabelType::uint16,
       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
        const CrossEntropy c{.height = layout.height,
                             .width = layout.width,
                             .classes = layout.classes,
                             .labelHeight = layout.labelHeight,
                             .labelWidth = layout.labelWidth,
                             .rows = rows.data(),
                             .columns = columns.data(),
                             .segments = segments.data(),
                             .logits = memory.in<float>(0),
                             .labelType = labelType,
                             .labels = memory.inputs[1],
                             .ignoreLabel = attributes.ignoreLabel,
                             .classWeights = memory.in<float>(2),
                             .targetPart = 1,
                             .smoothing = nullptr,
                             .smoothingTotal = 0,
                             .probabilities = nullptr,
                             .threshold = 0,
                             .gradientScale = memory.inputs[3] ? *memory.in<float>(3) : 1,
                             .dLogits = memory.out<float>(1),
                             .scratch = nullptr};
        memory.out<float>(0)[0] = Pass(layout, attributes, c, kernels, memory.scratch).run();
      });
}

}  // namespace

const Op crossEntropyOp{.choose = chooseCrossEntropy, .prepare = prepareCrossEntropy};

}  // namespace ocrnet::cpu

// The classes of a pixel fill vectors, and pixels follow one another along a row of labels. Two rows of
// logits are blended into one at source columns; a pixel mixes two of its columns into scores, and adds its
// gradient to the same two columns of a row of gradients, which goes to the two rows of logits when the row
// of labels is done. That is the transpose of the interpolation, taken apart as the interpolation is.
//
// The rows of labels between two rows of logits are a segment. All it adds to its upper and lower row is
// summed before it meets what the neighbouring segments add: no sum depends on how segments are shared out to
// threads.

#include <limits>

#include "cpu/kernels/table.h"
#include "cpu/simd-elements.h"
#include "cpu/simd-exp.h"
#include "cpu/simd-log.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// The lanes whose index is below the count.
inline IntVec below(std::int64_t count) { return firstIndices() < static_cast<std::int32_t>(count); }

/// kVectors vectors hold the classes; 0 where there are more than are worth code of their own.
template <int kVectors, class Label>
class LabelRows {
 public:
  explicit LabelRows(const CrossEntropy& c)
      : c_(c),
        stride_(paddedClasses(c.classes)),
        line_(c.width * stride_),
        blended_(c.scratch),
        gradient_(blended_ + line_),
        upper_(gradient_ + line_),
        lower_(upper_ + line_),
        carried_(lower_ + line_),
        scores_(carried_ + line_),
        sums_(scores_ + stride_),
        factors_(sums_ + paddedWidth()),
        offsets_(factors_ + paddedWidth()) {}

  void writeProbabilities(std::int64_t row) {
    blend(row);
    const Label* const labels = labelsOf(row);
    for (std::int64_t column = 0; column < c_.labelWidth; ++column) {
      float probability = -1;
      if (labels[column] != c_.ignoreLabel) {
        const Softmax softmax = softmaxAt(column, labels[column]);
        probability = scores_[labels[column]] / softmax.sum[0];
      }
      c_.probabilities[row * c_.labelWidth + column] = probability;
    }
  }

  /// Leaves what is added to the row of logits below in `carried`, and takes from there what the segment
  /// above added to its own. Gives the segment's loss.
  double runSegment(std::int64_t segment, bool takesCarried) {
    const std::int64_t image = segment / c_.height, row = segment % c_.height;
    double loss = 0;
    if (c_.dLogits) fill(upper_, 2 * line_, 0);
    for (std::int64_t i = c_.segments[row]; i < c_.segments[row + 1]; ++i) {
      const std::int64_t labelRow = image * c_.labelHeight + i;
      blend(labelRow);
      if (c_.dLogits) fill(gradient_, line_, 0);
      loss += static_cast<double>(runRow(labelRow));
      if (c_.dLogits) spread(c_.rows[i].weight);
    }
    if (!c_.dLogits) return loss;
    for (std::int64_t column = 0; column < c_.width; ++column) {
      float* const out = c_.dLogits + (segment * c_.width + column) * c_.classes;
      const std::int64_t offset = column * stride_;
      eachVector(c_.classes, [&](std::int64_t k, auto lanes) {
        const Vec own = load(upper_ + offset + k);
        store(out + k, takesCarried ? add(own, load(carried_ + offset + k)) : own, lanes);
      });
    }
    for (std::int64_t i = 0; i < line_; i += kLanes) store(carried_ + i, load(lower_ + i));
    return loss;
  }

 private:
  struct Softmax {
    Vec most, sum;      // the same in each lane
    float targetScore;  // before it was exponentiated
  };

  std::int64_t paddedWidth() const { return (c_.labelWidth + kMostLanes - 1) / kMostLanes * kMostLanes; }
  std::int64_t vectors() const { return kVectors > 0 ? kVectors : (c_.classes + kLanes - 1) / kLanes; }
  const Label* labelsOf(std::int64_t row) const {
    return static_cast<const Label*>(c_.labels) + row * c_.labelWidth;
  }

  void blend(std::int64_t labelRow) {
    const std::int64_t imageRow = labelRow / c_.labelHeight * c_.height;
    const BilinearTap& tap = c_.rows[labelRow % c_.labelHeight];
    const std::int64_t rowFloats = c_.width * c_.classes;
    const float *const upper = c_.logits + (imageRow + tap.first) * rowFloats, *const lower =
                                                                                   c_.logits +
                                                                                   (imageRow + tap.second) *
                                                                                       rowFloats;
    const Vec weight = broadcast(tap.weight), rest = broadcast(1 - tap.weight);
    for (std::int64_t column = 0; column < c_.width; ++column) {
      const std::int64_t offset = column * c_.classes;
      eachVector(c_.classes, [&](std::int64_t k, auto lanes) {
        const Vec mixed =
            fma(weight, load(lower + offset + k, lanes), mul(rest, load(upper + offset + k, lanes)));
        store(blended_ + column * stride_ + k, mixed);
      });
    }
  }

  /// exp(score − most) of all classes into scores, 0 behind the last.
  Softmax softmaxAt(std::int64_t column, std::int64_t label) {
    const BilinearTap& tap = c_.columns[column];
    const float *const left = blended_ + tap.first * stride_, *const right = blended_ + tap.second * stride_;
    const Vec weight = broadcast(tap.weight), rest = broadcast(1 - tap.weight);
    const Vec least = broadcast(-std::numeric_limits<float>::infinity());
    Vec most = least;
    for (std::int64_t v = 0; v < vectors(); ++v) {
      Vec score = fma(weight, load(right + v * kLanes), mul(rest, load(left + v * kLanes)));
      if (v + 1 == vectors()) score = below(c_.classes - v * kLanes) ? score : least;
      store(scores_ + v * kLanes, score);
      most = max(most, score);
    }
    most = reduceAll(most, [](Vec a, Vec b) { return max(a, b); });
    const float targetScore = scores_[label];
    Vec sum = zero();
    for (std::int64_t v = 0; v < vectors(); ++v) {
      const Vec power = exp(sub(load(scores_ + v * kLanes), most));
      store(scores_ + v * kLanes, power);
      sum = add(sum, power);
    }
    return {most, reduceAll(sum, [](Vec a, Vec b) { return add(a, b); }), targetScore};
  }

  /// Σ of smoothing · class weight · (most − score).
  float smoothedDistance(std::int64_t column, Vec most) const {
    const BilinearTap& tap = c_.columns[column];
    const float *const left = blended_ + tap.first * stride_, *const right = blended_ + tap.second * stride_;
    const Vec weight = broadcast(tap.weight), rest = broadcast(1 - tap.weight);
    Vec sum = zero();
    for (std::int64_t v = 0; v < vectors(); ++v) {
      const Vec score = fma(weight, load(right + v * kLanes), mul(rest, load(left + v * kLanes)));
      const Vec term = mul(load(c_.smoothing + v * kLanes), sub(most, score));
      sum = add(sum, below(c_.classes - v * kLanes) ? term : zero());
    }
    return reduceAll(sum, [](Vec a, Vec b) { return add(a, b); })[0];
  }

  bool counts(std::int64_t pixel, Label label) const {
    // A NaN counts, so that it is not overlooked.
    return label != c_.ignoreLabel && !(c_.probabilities && c_.probabilities[pixel] > c_.threshold);
  }

  /// With T the target distribution times the class weights: loss = ΣT · ln sum + ΣT (most − score), gradient
  /// of the scores = scale · (ΣT · p − T).
  float runRow(std::int64_t row) {
    const Label* const labels = labelsOf(row);
    for (std::int64_t column = 0; column < c_.labelWidth; ++column) {
      sums_[column] = 1;
      factors_[column] = offsets_[column] = 0;
      const std::int64_t label = labels[column];
      if (!counts(row * c_.labelWidth + column, labels[column])) continue;
      const float target = c_.targetPart * (c_.classWeights ? c_.classWeights[label] : 1);
      const Softmax softmax = softmaxAt(column, label);
      sums_[column] = softmax.sum[0];
      factors_[column] = target + c_.smoothingTotal;
      offsets_[column] = target * (softmax.most[0] - softmax.targetScore);
      if (c_.smoothing) offsets_[column] += smoothedDistance(column, softmax.most);
      if (c_.dLogits) addGradient(column, label, target, softmax.sum);
    }
    Vec loss = zero();
    for (std::int64_t column = 0; column < c_.labelWidth; column += kLanes) {
      const std::int64_t inside = c_.labelWidth - column;
      const Vec term = fma(load(factors_ + column), log(load(sums_ + column)), load(offsets_ + column));
      loss = add(loss, below(inside) ? term : zero());
    }
    return reduce(loss, [](float a, float b) { return a + b; });
  }

  void addGradient(std::int64_t column, std::int64_t label, float target, Vec sum) {
    const BilinearTap& tap = c_.columns[column];
    float *const left = gradient_ + tap.first * stride_, *const right = gradient_ + tap.second * stride_;
    const Vec weight = broadcast(tap.weight), rest = broadcast(1 - tap.weight);
    const Vec factor = broadcast(c_.gradientScale * (target + c_.smoothingTotal)) / sum;
    const Vec hit = broadcast(c_.gradientScale * target), scale = broadcast(c_.gradientScale);
    for (std::int64_t v = 0; v < vectors(); ++v) {
      const Vec wanted = firstIndices() == static_cast<std::int32_t>(label - v * kLanes) ? hit : zero();
      Vec g = sub(mul(factor, load(scores_ + v * kLanes)), wanted);
      if (c_.smoothing) g = fnma(scale, load(c_.smoothing + v * kLanes), g);
      store(left + v * kLanes, fma(rest, g, load(left + v * kLanes)));
      store(right + v * kLanes, fma(weight, g, load(right + v * kLanes)));
    }
  }

  /// The row of gradients to the rows of logits above and below.
  void spread(float weight) {
    for (std::int64_t i = 0; i < line_; i += kLanes) {
      const Vec g = load(gradient_ + i);
      store(upper_ + i, fma(broadcast(1 - weight), g, load(upper_ + i)));
      store(lower_ + i, fma(broadcast(weight), g, load(lower_ + i)));
    }
  }

  const CrossEntropy& c_;
  const std::int64_t stride_, line_;  // floats of a column, of a row
  float *const blended_, *const gradient_, *const upper_, *const lower_,
                                                              *const carried_;  // (width, stride) each
  float* const scores_;                                                         // (stride)
  float *const sums_, *const factors_, *const offsets_;                         // (labelWidth)
};

template <class Label, class Body>
void withVectors(const CrossEntropy& c, const Body& body) {
  switch ((c.classes + kLanes - 1) / kLanes) {
    case 1:
      return body(LabelRows<1, Label>(c));
    case 2:
      return body(LabelRows<2, Label>(c));
    case 3:
      return body(LabelRows<3, Label>(c));
    default:
      return body(LabelRows<0, Label>(c));
  }
}

template <class Body>
void withRows(const CrossEntropy& c, const Body& body) {
  if (c.labelType == LabelType::uint8) return withVectors<std::uint8_t>(c, body);
  withVectors<std::uint16_t>(c, body);
}

}  // namespace

void targetProbabilities(const CrossEntropy& c, Range labelRows) {
  withRows(c, [&](auto rows) {
    for (std::int64_t row = labelRows.first; row < labelRows.end; ++row) rows.writeProbabilities(row);
  });
}

void crossEntropy(const CrossEntropy& c, Range segments, double* losses) {
  withRows(c, [&](auto rows) {
    for (std::int64_t i = segments.first; i < segments.end; ++i)
      losses[i] = rows.runSegment(i, i > segments.first && i % c.height != 0);
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

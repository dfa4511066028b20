// Class scores are interpolated one output row at a time and never stored at full size. Source rows are
// turned into one line of pixels for each class and kept while output rows lie next to them; two of them are
// blended into the output row's scores at source columns; then kLanes output pixels walk over the classes
// together, each lane with its own two source columns. A NaN never wins, unless it is the score of class 0.

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"
#include "cpu/simd-exp.h"
#include "cpu/simd-lookup.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

class RowResizer {
 public:
  explicit RowResizer(const ResizeArgmax& r)
      : r_(r), line_(r.width + kMostLanes), blended_(r.scratch + 2 * r.classes * line_) {}

  template <class Label>
  void writeRow(std::int64_t row) {
    blend(row);
    Label* const labels = r_.labels ? static_cast<Label*>(r_.labels) + row * r_.outputWidth : nullptr;
    float* const confidence = r_.confidence ? r_.confidence + row * r_.outputWidth : nullptr;
    eachVector(r_.outputWidth, [&](std::int64_t column, auto lanes) {
      IntVec best;
      const auto write = [&](const auto& score) {
        if (!confidence) return void(argmax(score, &best));
        store(confidence + column, probability(score, &best), lanes);
      };
      const IntVec first = loadRaw<IntVec>(r_.firstColumns + column, Whole{});
      const IntVec second = loadRaw<IntVec>(r_.secondColumns + column, Whole{});
      const Vec weight = load(r_.columnWeights + column), rest = sub(broadcast(1), weight);
      const std::int32_t origin = first[0];
      if (second[kLanes - 1] - origin <
          kLanes) {  // all source columns in one vector, as where the image grows
        const IntVec near = first - origin, far = second - origin;
        write([&](std::int64_t k) {
          const Vec line = load(blended_ + k * line_ + origin);
          return fma(weight, lookUp(line, far), mul(rest, lookUp(line, near)));
        });
      } else {
        write([&](std::int64_t k) {
          const float* const line = blended_ + k * line_;
          return fma(weight, lookUp(line, second), mul(rest, lookUp(line, first)));
        });
      }
      if (labels) storeLabels(labels + column, best, lanes);
    });
  }

 private:
  /// Scores at source columns: (classes, line).
  void blend(std::int64_t row) {
    const std::int64_t imageRow = row / r_.outputHeight * r_.height;
    const BilinearTap& tap = r_.rows[row % r_.outputHeight];
    const float *const upper = get(imageRow + tap.first), *const lower = get(imageRow + tap.second);
    const Vec weight = broadcast(tap.weight), rest = broadcast(1 - tap.weight);
    eachVector(r_.classes * line_, [&](std::int64_t i, auto lanes) {
      store(blended_ + i, fma(weight, load(lower + i, lanes), mul(rest, load(upper + i, lanes))), lanes);
    });
  }

  /// A source row, counted over the batch, as (classes, line). It and its successor never share a place.
  const float* get(std::int64_t sourceRow) {
    float* const kept = r_.scratch + sourceRow % 2 * r_.classes * line_;
    if (held_[sourceRow % 2] == sourceRow) return kept;
    held_[sourceRow % 2] = sourceRow;
    const float* const logits = r_.logits + sourceRow * r_.width * r_.classes;
    for (std::int64_t k = 0; k < r_.classes; ++k) {
      float* const line = kept + k * line_;
      for (std::int64_t column = 0; column < r_.width; ++column)
        line[column] = logits[column * r_.classes + k];
      for (std::int64_t column = r_.width; column < line_; ++column) line[column] = 0;
    }
    return kept;
  }

  template <class Score>
  Vec argmax(const Score& score, IntVec* best) const {
    IntVec winner{};
    Vec most = score(0);
    for (std::int64_t k = 1; k < r_.classes; ++k) {
      const Vec value = score(k);
      const auto greater = value > most;
      most = greater ? value : most;
      winner = greater ? IntVec{} + static_cast<std::int32_t>(k) : winner;
    }
    *best = winner;
    return most;
  }

  /// The winner's softmax probability: 1 / Σ exp(score − most).
  template <class Score>
  Vec probability(const Score& score, IntVec* best) const {
    float* const scores = blended_ + r_.classes * line_;  // (classes, kLanes)
    const Vec most = argmax(
        [&](std::int64_t k) {
          const Vec value = score(k);
          store(scores + k * kLanes, value);
          return value;
        },
        best);
    Vec sum = zero();
    for (std::int64_t k = 0; k < r_.classes; ++k) sum = add(sum, exp(sub(load(scores + k * kLanes), most)));
    return broadcast(1) / sum;
  }

  template <class Lanes>
  static void storeLabels(std::uint8_t* labels, IntVec best, Lanes lanes) {
    storeRaw(labels, __builtin_convertvector(best, ByteVec), lanes);
  }
  template <class Lanes>
  static void storeLabels(std::uint16_t* labels, IntVec best, Lanes lanes) {
    storeRaw(labels, __builtin_convertvector(best, HalfWordVec), lanes);
  }

  const ResizeArgmax& r_;
  const std::int64_t line_;  // floats of one class: the width, and room to load a vector at its end
  float* const blended_;
  std::int64_t held_[2] = {-1, -1};
};

}  // namespace

void resizeArgmax(const ResizeArgmax& r, Range rows) {
  RowResizer resizer(r);
  for (std::int64_t row = rows.first; row < rows.end; ++row) {
    if (r.labelType == LabelType::uint8) {
      resizer.writeRow<std::uint8_t>(row);
    } else {
      resizer.writeRow<std::uint16_t>(row);
    }
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

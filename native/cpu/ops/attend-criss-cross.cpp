// Every row attends to itself, then every column to itself but for the own pixels, and the two are merged:
// rows and columns are attention over pixels (attend-pixels.cpp) of one or of W pixels' stride.
//
// Pixels of a column lie so far from each other, often a power of two, that they fall on few lines of the
// caches: their keys are copied together before many queries read them.

#include <algorithm>

#include "cpu/ops/pixel-attention.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kMostKeys = 256;  // at a time

AttentionScratch attentionScratch(const StepDescription& step) {
  const TensorInfo& query = *step.input(0);
  return {step, std::min(std::max(query.shape[1], query.shape[2]), kMostKeys), true};
}

/// The scratch, in floats: of all threads, then of each, behind that of the attention.
struct CrissCrossLayout {
  std::int64_t logSumExps;  // where nobody reads the output
  std::int64_t attention, columnY, columnLogSumExp;

  std::int64_t ofThread() const { return attention + columnY + columnLogSumExp; }
  std::int64_t total(int threads) const { return logSumExps + threads * ofThread(); }
};

CrissCrossLayout crissCrossLayout(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  return {.logSumExps = step.output(1) ? 0 : roundUp(query.pixels(), kMostLanes),
          .attention = attentionScratch(step).floats(),
          .columnY = query.shape[1] * roundUp(value.channels(), kMostLanes),
          .columnLogSumExp = roundUp(query.shape[1], kMostLanes)};
}

Choice chooseAttendCrissCross(const StepDescription& step, const Device& device) {
  return {.scratchBytes = crissCrossLayout(step).total(device.threads) * sizeof(float)};
}

/// A line of pixels, from one on, `step` pixels from each other.
template <class Strided>
Strided line(const Strided& map, std::int64_t first, std::int64_t step, std::int64_t bytes) {
  using Byte = std::conditional_t<std::is_same_v<Strided, Source>, const std::byte, std::byte>;
  return {static_cast<Byte*>(map.data) + first * map.stride * bytes, map.stride * step};
}

/// So many maps of pixels, with the scratch of all threads.
struct CrissCross {
  AttendPixels maps;  // all of them, as if they were one
  AttentionScratch attention;
  CrissCrossLayout layout;
  std::int64_t batch, height, width, bytes;
  float* scratch;

  AttendPixels lineOf(std::int64_t first, std::int64_t step, std::int64_t length) const {
    AttendPixels a = maps;
    a.keys = length;
    a.query = line(maps.query, first, step, bytes);
    a.key = line(maps.key, first, step, bytes);
    a.value = line(maps.value, first, step, bytes);
    a.y = line(maps.y, first, step, bytes);
    a.logSumExp = line(maps.logSumExp, first, step, sizeof(float));
    return a;
  }

  void attendRow(std::int64_t row, int thread, const Kernels& kernels) const {
    AttendPixels a = lineOf(row * width, 1, width);
    attention.give(a, scratch + thread * layout.ofThread());
    if (a.type == DataType::float32) a.keyRows = nullptr;
    kernels.attendPixels(a, {0, width});
  }

  void attendColumn(std::int64_t column, int thread, const Kernels& kernels) const {
    const std::int64_t image = column / width, first = image * height * width + column % width;
    AttendPixels a = lineOf(first, width, height);
    float* const columnY = attention.give(a, scratch + thread * layout.ofThread());
    float* const columnLogSumExp = columnY + layout.columnY;
    const MergeAttention merge{.type = a.type,
                               .channels = a.channels,
                               .y = a.y,
                               .logSumExp = a.logSumExp,
                               .otherY = {columnY, a.channels},
                               .otherLogSumExp = {columnLogSumExp, 1}};
    a.exceptOwn = true;
    a.y = {columnY, a.channels};
    a.logSumExp = {columnLogSumExp, 1};
    kernels.attendPixels(a, {0, height});
    kernels.mergeAttention(merge, {0, height});
  }
};

std::unique_ptr<PreparedStep> prepareAttendCrissCross(const StepDescription& step, const Device& device,
                                                      Weights&) {
  requireChoice(step, chooseAttendCrissCross(step, device));
  const TensorInfo& query = *step.input(0);
  CrissCross crissCross{.maps = describeAttention(step, step.attributes<AttendCrissCrossAttributes>().scale),
                        .attention = attentionScratch(step),
                        .layout = crissCrossLayout(step),
                        .batch = query.shape[0],
                        .height = query.shape[1],
                        .width = query.shape[2],
                        .bytes = static_cast<std::int64_t>(bytesPerElement(query.dataType)),
                        .scratch = nullptr};
  if (!step.output(1)) crissCross.maps.logSumExp.stride = 1;
  return preparedStep(
      [crissCross, threads = device.threads, &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
        CrissCross mine = crissCross;
        float* const scratch = reinterpret_cast<float*>(memory.scratch);
        mine.scratch = scratch + mine.layout.logSumExps;
        locate(mine.maps, memory);
        if (!mine.maps.logSumExp.data) mine.maps.logSumExp.data = scratch;
        parallel(threads, mine.batch * mine.height, 1, [&](Range rows, int thread) {
          for (std::int64_t row = rows.first; row < rows.end; ++row) mine.attendRow(row, thread, kernels);
        });
        if (mine.height == 1) return;  // then columns have no other pixels
        parallel(threads, mine.batch * mine.width, 1, [&](Range columns, int thread) {
          for (std::int64_t column = columns.first; column < columns.end; ++column)
            mine.attendColumn(column, thread, kernels);
        });
      });
}

}  // namespace

const Op attendCrissCrossOp{.choose = chooseAttendCrissCross, .prepare = prepareAttendCrissCross};

}  // namespace ocrnet::cpu

// Every row attends to itself, then every column to itself but for the own pixels, and the two are merged:
// rows and columns are attention over pixels (attend-pixels.cpp) of one or of W pixels' stride.
//
// Pixels of a column lie so far from each other, often a power of two, that they fall on few lines of the
// caches: their keys are copied together before many queries read them.

#include <algorithm>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

constexpr std::int64_t kMostKeys = 256;  // at a time

/// The scratch: of all threads, in floats, then that of each.
struct Layout {
  std::int64_t logSumExps;  // where nobody reads the output
  std::int64_t keyBlock, queries, keyRows, values, weights, sums, state, columnY, columnLogSumExp;

  std::int64_t ofThread() const {
    return queries + keyRows + values + weights + sums + state + columnY + columnLogSumExp;
  }
  std::int64_t total(int threads) const { return logSumExps + threads * ofThread(); }
};

Layout layoutOf(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  const std::int64_t height = query.shape[1], width = query.shape[2], depth = query.channels(),
                     channels = roundUp(value.channels(), kMostLanes),
                     keyBlock = std::min(std::max(height, width), kMostKeys);
  return {.logSumExps = step.output(1) ? 0 : roundUp(query.shape[0] * height * width, kMostLanes),
          .keyBlock = keyBlock,
          .queries = kAttentionBlock * depth,
          .keyRows = roundUp(keyBlock * depth, kMostLanes),
          .values = keyBlock * channels,
          .weights = keyBlock * kWeightStride,
          .sums = kAttentionBlock * channels,
          .state = 3 * kAttentionBlock,
          .columnY = height * channels,
          .columnLogSumExp = roundUp(height, kMostLanes)};
}

Choice choose(const StepDescription& step, const Device& device) {
  return {.scratchBytes = layoutOf(step).total(device.threads) * sizeof(float)};
}

/// The scratch of a thread as the kernel wants it; what follows it.
float* giveScratch(AttendPixels& a, const Layout& layout, float* scratch) {
  a.queries = scratch;
  a.keyRows = a.queries + layout.queries;
  a.values = a.keyRows + layout.keyRows;
  a.weights = a.values + layout.values;
  a.sums = a.weights + layout.weights;
  a.state = a.sums + layout.sums;
  return a.state + layout.state;
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
  Layout layout;
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
    giveScratch(a, layout, scratch + thread * layout.ofThread());
    if (a.type == DataType::float32) a.keyRows = nullptr;
    kernels.attendPixels(a, {0, width});
  }

  void attendColumn(std::int64_t column, int thread, const Kernels& kernels) const {
    const std::int64_t image = column / width, first = image * height * width + column % width;
    AttendPixels a = lineOf(first, width, height);
    float* const columnY = giveScratch(a, layout, scratch + thread * layout.ofThread());
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

std::unique_ptr<PreparedStep> prepare(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, choose(step, device));
  const TensorInfo &query = *step.input(0), &key = *step.input(1), &value = *step.input(2);
  const TensorInfo& y = *step.output(0);
  const Layout layout = layoutOf(step);
  const AttendPixels maps{.type = query.dataType,
                          .depth = query.channels(),
                          .channels = value.channels(),
                          .keys = 0,
                          .keyBlock = layout.keyBlock,
                          .scale = step.attributes<AttendCrissCrossAttributes>().scale,
                          .exceptOwn = false,
                          .query = sourceOf(&query),
                          .key = sourceOf(&key),
                          .value = sourceOf(&value),
                          .y = targetOf(&y),
                          .logSumExp = step.output(1) ? targetOf(step.output(1)) : Target{nullptr, 1},
                          .queries = nullptr,
                          .keyRows = nullptr,
                          .values = nullptr,
                          .weights = nullptr,
                          .sums = nullptr,
                          .state = nullptr};
  const CrissCross crissCross{.maps = maps,
                              .layout = layout,
                              .batch = query.shape[0],
                              .height = query.shape[1],
                              .width = query.shape[2],
                              .bytes = static_cast<std::int64_t>(bytesPerElement(query.dataType)),
                              .scratch = nullptr};
  return preparedStep(
      [crissCross, threads = device.threads, &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
        CrissCross mine = crissCross;
        float* const scratch = reinterpret_cast<float*>(memory.scratch);
        mine.scratch = scratch + mine.layout.logSumExps;
        mine.maps.query.data = memory.inputs[0];
        mine.maps.key.data = memory.inputs[1];
        mine.maps.value.data = memory.inputs[2];
        mine.maps.y.data = memory.outputs[0];
        mine.maps.logSumExp.data = memory.outputs[1] ? memory.out<float>(1) : scratch;
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

const Op attendCrissCrossOp{.choose = choose, .prepare = prepare};

}  // namespace ocrnet::cpu

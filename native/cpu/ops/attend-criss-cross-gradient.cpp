// As attend-criss-cross.cpp: the gradients of every row's attention to itself, to which those of the columns
// are added. A row or column is on one thread, so that each gradient is added up in the same order whatever
// their number.

#include <algorithm>
#include <cstring>

#include "cpu/ops/pixel-attention.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// The scratch of one thread, in floats: behind that of the attention a column's keys and values, copied
/// together.
struct CrissCrossGradientLayout {
  std::int64_t attention, keys, values;

  std::int64_t total() const { return attention + keys + values; }
};

CrissCrossGradientLayout crissCrossGradientLayout(const StepDescription& step) {
  const TensorInfo &query = *step.input(0), &value = *step.input(2);
  return {.attention = AttentionGradientScratch(step).floats(),
          .keys = roundUp(query.shape[1] * query.channels(), kMostLanes),
          .values = roundUp(query.shape[1] * value.channels(), kMostLanes)};
}

Choice chooseAttendCrissCrossGradient(const StepDescription& step, const Device& device) {
  requireFloat32(step);
  return {.scratchBytes = device.threads * crissCrossGradientLayout(step).total() * sizeof(float)};
}

float* rowOf(const Target& map, std::int64_t pixel) {
  return map.data ? static_cast<float*>(map.data) + pixel * map.stride : nullptr;
}
const float* rowOf(const Source& map, std::int64_t pixel) {
  return static_cast<const float*>(map.data) + pixel * map.stride;
}

/// A line of pixels, from one on, `step` pixels from each other.
template <class Strided>
Strided line(const Strided& map, std::int64_t first, std::int64_t step) {
  return {rowOf(map, first), map.stride * step};
}

void clear(const Target& gradient, std::int64_t pixels, std::int64_t channels) {
  if (!gradient.data) return;
  for (std::int64_t i = 0; i < pixels; ++i) std::memset(rowOf(gradient, i), 0, channels * sizeof(float));
}

/// The pixels of a line one after another.
Source together(const Source& pixels, std::int64_t count, std::int64_t channels, float* rows) {
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(rows + i * channels, rowOf(pixels, i), channels * sizeof(float));
  return {rows, channels};
}

AttendPixelsGradient lineOf(const AttendPixelsGradient& maps, std::int64_t first, std::int64_t step) {
  AttendPixelsGradient a = maps;
  for (Source* const source : {&a.query, &a.key, &a.value, &a.y, &a.logSumExps, &a.dy})
    *source = line(*source, first, step);
  for (Target* const target : {&a.dQuery, &a.dKey, &a.dValue}) *target = line(*target, first, step);
  return a;
}

std::unique_ptr<PreparedStep> prepareAttendCrissCrossGradient(const StepDescription& step,
                                                              const Device& device, Weights&) {
  requireChoice(step, chooseAttendCrissCrossGradient(step, device));
  const TensorInfo& query = *step.input(0);
  const float scale = step.attributes<AttendCrissCrossGradientAttributes>().scale;
  return preparedStep([gradient = describeAttentionGradient(step, scale),
                       scratch = AttentionGradientScratch(step), layout = crissCrossGradientLayout(step),
                       batch = query.shape[0], height = query.shape[1], width = query.shape[2],
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AttendPixelsGradient maps = gradient;
    locate(maps, memory);
    const auto ofThread = [&](int thread) {
      return reinterpret_cast<float*>(memory.scratch) + thread * layout.total();
    };

    parallel(threads, batch * height, 1, [&](Range rows, int thread) {
      for (std::int64_t row = rows.first; row < rows.end; ++row) {
        AttendPixelsGradient a = lineOf(maps, row * width, 1);
        scratch.give(a, ofThread(thread));
        clear(a.dQuery, width, a.depth);
        clear(a.dKey, width, a.depth);
        clear(a.dValue, width, a.channels);
        kernels.attendPixelsGradient(a, {0, width}, {0, width});
      }
    });
    parallel(threads, batch * width, 1, [&](Range columns, int thread) {
      for (std::int64_t column = columns.first; column < columns.end; ++column) {
        AttendPixelsGradient a = lineOf(maps, column / width * height * width + column % width, width);
        float* const keys = scratch.give(a, ofThread(thread));
        a.key = together(a.key, height, a.depth, keys);
        a.value = together(a.value, height, a.channels, keys + layout.keys);
        a.exceptOwn = true;
        kernels.attendPixelsGradient(a, {0, height}, {0, height});
      }
    });
  });
}

}  // namespace

const Op attendCrissCrossGradientOp{.choose = chooseAttendCrissCrossGradient,
                                    .prepare = prepareAttendCrissCrossGradient};

}  // namespace ocrnet::cpu

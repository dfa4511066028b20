// The pairs of queries and keys are a square of parts by parts. In each round every part of the queries meets
// another part of the keys: then what a pair adds to dQuery is for nobody else, nor what it adds to dKey and
// dValue, so that all parts can run at once and add to the outputs where they lie. Each output adds in the
// same order whatever the number of threads, and each product is computed once: five in all. (Two passes,
// over the queries for dQuery and over the keys for the rest, would compute the weights and their gradients
// twice: seven products.)

#include <algorithm>
#include <cstring>

#include "cpu/ops/pixel-attention.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// More parts than most machines have cores, yet large enough that packing their queries costs little.
constexpr std::int64_t kMostParts = 32;

std::int64_t partsOf(std::int64_t queries, std::int64_t keys) {
  return std::clamp<std::int64_t>(divideUp(std::max(queries, keys), kAttentionGroup), 1, kMostParts);
}

Choice chooseAttendPixelsGradient(const StepDescription& step, const Device& device) {
  requireFloat32(step);
  return {.scratchBytes = device.threads * AttentionGradientScratch(step).floats() * sizeof(float)};
}

/// Some pixels of a gradient; data is null where nobody reads it.
void clear(const Target& gradient, Range pixels) {
  if (!gradient.data) return;
  std::memset(static_cast<float*>(gradient.data) + pixels.first * gradient.stride, 0,
              pixels.size() * gradient.stride * sizeof(float));
}

std::unique_ptr<PreparedStep> prepareAttendPixelsGradient(const StepDescription& step, const Device& device,
                                                          Weights&) {
  requireChoice(step, chooseAttendPixelsGradient(step, device));
  const TensorInfo &query = *step.input(0), &key = *step.input(1);
  const float scale = step.attributes<AttendPixelsGradientAttributes>().scale;
  return preparedStep([gradient = describeAttentionGradient(step, scale),
                       scratch = AttentionGradientScratch(step), batch = query.shape[0],
                       queries = query.shape[1] * query.shape[2], keys = key.shape[1] * key.shape[2],
                       threads = device.threads,
                       &kernels = kernelsFor(device.isa)](const StepMemory& memory) {
    AttendPixelsGradient a = gradient;
    locate(a, memory);
    const std::int64_t parts = partsOf(queries, keys);
    for (std::int64_t round = 0; round < parts; ++round) {
      parallel(threads, batch * parts, 1, [&](Range range, int thread) {
        AttendPixelsGradient mine = a;
        scratch.give(mine, reinterpret_cast<float*>(memory.scratch) + thread * scratch.floats());
        for (std::int64_t i = range.first; i < range.end; ++i) {
          const std::int64_t image = i / parts, part = i % parts;
          const Range theQueries = Range{image * queries, (image + 1) * queries}.part(part, parts);
          const Range theKeys = Range{image * keys, (image + 1) * keys}.part((part + round) % parts, parts);
          if (round == 0) {
            clear(a.dQuery, theQueries);
            clear(a.dKey, theKeys);
            clear(a.dValue, theKeys);
          }
          kernels.attendPixelsGradient(mine, theQueries, theKeys);
        }
      });
    }
  });
}

}  // namespace

const Op attendPixelsGradientOp{.choose = chooseAttendPixelsGradient, .prepare = prepareAttendPixelsGradient};

}  // namespace ocrnet::cpu

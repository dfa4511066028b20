#pragma once

// What the optimisers share: flat vectors, of which state lies where it lay.

#include <cstring>

#include "core/as-written.h"
#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

/// Elements that are worth a thread.
inline constexpr std::int64_t kElementGrain = 16384;

/// The optional input that all gradients are multiplied by, 1 where it is absent.
inline float scalarOr1(const StepMemory& memory, std::size_t input) {
  return memory.inputs[input] ? *memory.in<float>(input) : 1;
}

/// What a step may leave as it is, where its output is not the memory of the input: all outside of its range,
/// or all.
inline void keepRest(const StepMemory& memory, std::size_t input, std::size_t output, std::int64_t count) {
  std::byte *const from = memory.inputs[input], *const to = memory.outputs[output];
  if (to != nullptr && to != from) std::memcpy(to, from, count * sizeof(float));
}

inline Choice withoutScratch(const StepDescription&, const Device&) { return {}; }

}  // namespace ocrnet::cpu

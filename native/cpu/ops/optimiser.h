#pragma once

// What the optimisers share: flat vectors, of which state lies where it lay.

#include <charconv>
#include <cstring>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

/// Elements that are worth a thread.
inline constexpr std::int64_t kElementGrain = 16384;

/// Attributes travel in float32, where 1 − 0.999 is off by 1.3e-5 of itself: the number that was meant is the
/// shortest decimal that float32 rounds so.
inline double asWritten(float value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  double written = static_cast<double>(value);
  if (error == std::errc()) std::from_chars(text, end, written);
  return written;
}

/// The optional input that all gradients are multiplied by, 1 where it is absent.
inline float scalarOr1(const StepMemory& memory, std::size_t input) {
  return memory.inputs[input] ? *memory.in<float>(input) : 1;
}

/// What lies outside the range that a step changes, where its output is not the memory of the input.
inline void keepRest(const StepMemory& memory, std::size_t input, std::size_t output, std::int64_t count) {
  std::byte *const from = memory.inputs[input], *const to = memory.outputs[output];
  if (to != nullptr && to != from) std::memcpy(to, from, count * sizeof(float));
}

inline Choice withoutScratch(const StepDescription&, const Device&) { return {}; }

}  // namespace ocrnet::cpu

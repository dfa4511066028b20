#pragma once

// A convolution and its input's gradient are the same sum along each axis, over other numbers.

namespace ocrnet::cuda::conv {

/// One axis, seen from the results: result i takes from its taps t the source
///   (i · multiplier + offset + t · step) / divisor
/// where that is whole and lies inside. A convolution divides by 1, its input's gradient by the stride.
struct Axis {
  int results, sources, taps;
  int multiplier, offset, step, divisor;
};

/// The results first, first + stride, … of an axis, which have the same taps: firstTap, firstTap + tapStep, …
/// Of these, by their own numbers, result i takes from tap t the source i · multiplier + offset + t · step.
struct Phase {
  int first, stride, results;
  int firstTap, tapStep, taps;
  int multiplier, offset, step;

  constexpr int resultAt(int i) const { return first + i * stride; }
  constexpr int tapAt(int t) const { return firstTap + t * tapStep; }
};

/// Phase `first` of the axis' `divisor` phases. It may have no results, and no taps.
constexpr Phase phaseOf(const Axis& axis, int first) {
  const int divisor = axis.divisor, start = first * axis.multiplier + axis.offset;
  Phase phase{.first = first,
              .stride = divisor,
              .results = first < axis.results ? (axis.results - first + divisor - 1) / divisor : 0,
              .firstTap = 0,
              .tapStep = 1,
              .taps = 0,
              .multiplier = axis.multiplier,
              .offset = 0,
              .step = 0};
  while (phase.firstTap < axis.taps && (start + phase.firstTap * axis.step) % divisor != 0) ++phase.firstTap;
  while (phase.tapStep * axis.step % divisor != 0) ++phase.tapStep;
  if (phase.firstTap >= axis.taps) return phase;
  phase.taps = (axis.taps - phase.firstTap + phase.tapStep - 1) / phase.tapStep;
  phase.offset = (start + phase.firstTap * axis.step) / divisor;
  phase.step = phase.tapStep * axis.step / divisor;
  return phase;
}

/// Where an image's rows or columns are; also of what is not there.
constexpr bool inside(int position, int size) {
  return static_cast<unsigned>(position) < static_cast<unsigned>(size);
}

}  // namespace ocrnet::cuda::conv

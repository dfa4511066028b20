#pragma once

// Filters as the implicit matrix products read them: a matrix for each phase of the results (axis.h) whose
// rows are results, and whose columns are the phase's taps with all channels of each.
//
// A thread of a warpgroup's product has sums 8i + 2t and 8i + 2t + 1, i = 0 to 3, of each 32 columns, where t
// is its place among four threads. Results 8t to 8t + 7 lie there in the order of quads.

#include <cstdint>
#include <string>

#include "core/integers.h"
#include "cuda/conv/problem.h"
#include "cuda/parameters.h"

namespace ocrnet::cuda::conv {

/// As elements are held: float32, float32 rounded to tf32, bfloat16 or float16.
enum class FilterForm { float32, tf32, bfloat16, float16 };

enum class RowOrder { ofResults, ofQuads };
inline constexpr int kQuadRows = 32;

/// The result of a row in the order of quads.
constexpr int resultOfQuadRow(int row) {
  return row / kQuadRows * kQuadRows + row % 8 / 2 * 8 + row % kQuadRows / 8 * 2 + row % 2;
}

struct FilterLayout {
  Axis vertical, horizontal;
  FilterStrides strides;
  int groups, results, sources;  // of a group
  int channels;                  // of a tap: the sources and zeros
  int depth;                     // of a row: the channels of the most taps that a phase has, and zeros
  FilterForm form;
  RowOrder order = RowOrder::ofResults;

  constexpr int rows() const {  // of a group, in quads with zeros behind the results
    return order == RowOrder::ofQuads ? divideUp(results, kQuadRows) * kQuadRows : results;
  }
  constexpr int phases() const { return vertical.divisor * horizontal.divisor; }
  constexpr std::int64_t elements() const {
    return static_cast<std::int64_t>(phases()) * groups * rows() * depth;
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(elements()) *
           (form == FilterForm::float32 || form == FilterForm::tf32 ? 4 : 2);
  }
  /// The filter's element at place i; negative where zeros fill up.
  constexpr std::int64_t elementAt(std::int64_t i) const {
    const auto column = static_cast<int>(i % depth);
    const auto row = static_cast<int>(i / depth % (groups * rows()));
    const auto phase = static_cast<int>(i / depth / (groups * rows()));
    const int result = order == RowOrder::ofQuads ? resultOfQuadRow(row % rows()) : row % rows();
    const Phase down = phaseOf(vertical, phase / horizontal.divisor);
    const Phase across = phaseOf(horizontal, phase % horizontal.divisor);
    const int tap = column / channels, channel = column % channels;
    if (result >= results || channel >= sources || tap >= down.taps * across.taps) return -1;
    const int filterTap = down.tapAt(tap / across.taps) * horizontal.taps + across.tapAt(tap % across.taps);
    return row / rows() * strides.group + result * strides.result + channel * strides.source +
           filterTap * strides.tap;
  }
  /// Equal for filters that are packed into equal bytes.
  std::string name() const;
};

/// With rows of whole multiples of `stepDepth`, taps of whole multiples of `unit` channels.
FilterLayout filterLayout(const Problem& problem, FilterForm form, int unit, int stepDepth);

/// The filter of a step in its layout: packed once where it is a parameter, otherwise into `scratch` with
/// each execution.
class PackedFilter {
 public:
  PackedFilter(const FilterLayout& layout, const Problem& problem, const StepDescription& step,
               Parameters& parameters);
  const void* get(const StepMemory& memory, std::byte* scratch, cudaStream_t stream) const;
  bool isKept() const { return kept_ != nullptr; }

 private:
  FilterLayout layout_;
  Parameters::Buffer kept_;
};

}  // namespace ocrnet::cuda::conv

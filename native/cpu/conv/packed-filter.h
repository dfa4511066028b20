#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cpu/conv/problem.h"

namespace ocrnet::cpu::conv {

/// A filter in the order that an algorithm reads it: packed once if it is a parameter, before each run
/// otherwise.
class PackedFilter {
 public:
  /// Writes the packed form of a filter (O, kh, kw, C / groups).
  using Pack = std::function<void(const float* filter, std::byte* packed)>;

  /// `layout` names the packed form: all steps that read a parameter in the same layout share one copy.
  PackedFilter(const StepDescription& description, Weights& weights, const std::string& layout,
               std::size_t bytes, Pack pack);

  /// Where the packed filter is for this run: kept, or now written to `scratch`.
  const std::byte* get(const StepMemory& memory, std::byte* scratch) const;

 private:
  Pack pack_;
  std::shared_ptr<const AlignedBuffer> kept_;  // null if the filter is no parameter
};

}  // namespace ocrnet::cpu::conv

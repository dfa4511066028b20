#pragma once

#include <memory>

#include "cpu/conv/problem.h"

namespace ocrnet::cpu::conv {

/// A filter (O, kh, kw, C / groups) in the order that an algorithm reads it: packed once if it is a
/// parameter, before each run otherwise.
class PackedFilter {
 public:
  PackedFilter(const StepDescription& description, Weights& weights, Packing packing);

  /// Whether runs read the packed form alone.
  bool isKept() const { return kept_ != nullptr; }

  /// Where the packed filter is for this run: kept, or now written to `scratch`.
  const std::byte* get(const StepMemory& memory, std::byte* scratch) const;

 private:
  Packing packing_;
  Weights::Buffer kept_;  // null if the filter is no parameter
};

}  // namespace ocrnet::cpu::conv

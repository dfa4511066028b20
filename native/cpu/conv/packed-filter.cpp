#include "cpu/conv/packed-filter.h"

#include <utility>

namespace ocrnet::cpu::conv {

PackedFilter::PackedFilter(const StepDescription& description, Weights& weights, Packing packing)
    : packing_(std::move(packing)) {
  const TensorInfo& filter = *description.input(kFilter);
  if (filter.storage != Storage::parameter) return;
  kept_ = weights.packed(description.parameterName(filter), filter.shape, packing_);
}

const std::byte* PackedFilter::get(const StepMemory& memory, std::byte* scratch) const {
  if (kept_) return kept_->data();
  packing_.pack(memory.in<float>(kFilter), scratch);
  return scratch;
}

}  // namespace ocrnet::cpu::conv

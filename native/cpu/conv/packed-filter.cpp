#include "cpu/conv/packed-filter.h"

#include <utility>

namespace ocrnet::cpu::conv {

PackedFilter::PackedFilter(const StepDescription& description, Weights& weights, const std::string& layout,
                           std::size_t bytes, Pack pack)
    : pack_(std::move(pack)) {
  const TensorInfo& filter = *description.input(kFilter);
  if (filter.storage != Storage::parameter) return;
  const std::string& name = description.parameterName(filter);
  // Asked for even where the packed form exists: it is the check that the parameter has the shape of the
  // plan.
  const float* const values = weights.get(name, filter.shape);
  kept_ = weights.packed(name, layout, [&] {
    AlignedBuffer packed(bytes);
    pack_(values, packed.data());
    return packed;
  });
}

const std::byte* PackedFilter::get(const StepMemory& memory, std::byte* scratch) const {
  if (kept_) return kept_->data();
  pack_(memory.in<float>(kFilter), scratch);
  return scratch;
}

}  // namespace ocrnet::cpu::conv

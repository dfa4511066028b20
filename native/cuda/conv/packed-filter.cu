#include <bit>

#include "core/integers.h"
#include "cuda/conv/packed-filter.h"
#include "cuda/device/element.h"
#include "cuda/device/mma.h"
#include "cuda/launch.h"

namespace ocrnet::cuda::conv {

namespace {

constexpr unsigned kPackThreads = 256;

template <FilterForm form>
__global__ void __launch_bounds__(kPackThreads)
    packFilterKernel(FilterLayout layout, const float* filter, void* packed) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kPackThreads + threadIdx.x;
  if (i >= layout.elements()) return;
  const std::int64_t element = layout.elementAt(i);
  const float value = element < 0 ? 0 : filter[element];
  if constexpr (form == FilterForm::bfloat16) {
    static_cast<BFloat16*>(packed)[i] = fromFloat32<BFloat16>(value);
  } else if constexpr (form == FilterForm::float16) {
    static_cast<Float16*>(packed)[i] = fromFloat32<Float16>(value);
  } else if constexpr (form == FilterForm::tf32) {
    static_cast<std::uint32_t*>(packed)[i] = roundToTf32(__float_as_uint(value));
  } else {
    static_cast<float*>(packed)[i] = value;
  }
}

/// The same on the processor.
void packOnHost(const FilterLayout& layout, const float* filter, std::byte* packed) {
  for (std::int64_t i = 0; i < layout.elements(); ++i) {
    const std::int64_t element = layout.elementAt(i);
    const float value = element < 0 ? 0 : filter[element];
    switch (layout.form) {
      case FilterForm::bfloat16:
        reinterpret_cast<BFloat16*>(packed)[i] = toBFloat16(value);
        break;
      case FilterForm::float16:
        reinterpret_cast<Float16*>(packed)[i] = toFloat16(value);
        break;
      case FilterForm::tf32:
        reinterpret_cast<std::uint32_t*>(packed)[i] = roundedToTf32(std::bit_cast<std::uint32_t>(value));
        break;
      case FilterForm::float32:
        reinterpret_cast<float*>(packed)[i] = value;
        break;
    }
  }
}

void packOnDevice(const FilterLayout& layout, const float* filter, void* packed, cudaStream_t stream) {
  const LaunchShape shape{
      dim3(static_cast<unsigned>(divideUp(layout.elements(), std::int64_t{kPackThreads}))), kPackThreads};
  switch (layout.form) {
    case FilterForm::bfloat16:
      return launch<packFilterKernel<FilterForm::bfloat16>>(shape, stream, layout, filter, packed);
    case FilterForm::float16:
      return launch<packFilterKernel<FilterForm::float16>>(shape, stream, layout, filter, packed);
    case FilterForm::tf32:
      return launch<packFilterKernel<FilterForm::tf32>>(shape, stream, layout, filter, packed);
    case FilterForm::float32:
      return launch<packFilterKernel<FilterForm::float32>>(shape, stream, layout, filter, packed);
  }
}

int mostTaps(const Axis& axis) {
  int most = 0;
  for (int i = 0; i < axis.divisor; ++i) most = std::max(most, phaseOf(axis, i).taps);
  return most;
}

}  // namespace

std::string FilterLayout::name() const {
  std::string text = "CUDA matrices";
  const auto add = [&](std::int64_t number) { text += " " + std::to_string(number); };
  for (const Axis& axis : {vertical, horizontal}) {
    // Phases divide the taps by where the multiples of the divisor fall.
    for (const int number :
         {axis.taps, axis.divisor, axis.divisor > 1 ? axis.offset : 0, axis.divisor > 1 ? axis.step : 0})
      add(number);
  }
  for (const std::int64_t number : {strides.group, strides.result, strides.source, strides.tap}) add(number);
  for (const int number :
       {groups, results, sources, channels, depth, static_cast<int>(form), static_cast<int>(order)})
    add(number);
  return text;
}

FilterLayout filterLayout(const Problem& problem, FilterForm form, int unit, int stepDepth) {
  FilterLayout layout{.vertical = problem.vertical,
                      .horizontal = problem.horizontal,
                      .strides = problem.filter,
                      .groups = problem.groups,
                      .results = problem.resultChannels,
                      .sources = problem.sourceChannels,
                      .channels = roundUp(problem.sourceChannels, unit),
                      .depth = 0,
                      .form = form};
  layout.depth =
      roundUp(mostTaps(layout.vertical) * mostTaps(layout.horizontal) * layout.channels, stepDepth);
  return layout;
}

PackedFilter::PackedFilter(const FilterLayout& layout, const Problem& problem, const StepDescription& step,
                           Parameters& parameters)
    : layout_(layout) {
  if (!problem.filterIsParameter) return;
  const TensorInfo& filter = *step.input(kFilterInput);
  kept_ = parameters.packed(
      step.parameterName(filter), std::span(filter.shape).first(filter.rank), layout.name(), layout.bytes(),
      [&](const float* values, std::byte* packed) { packOnHost(layout, values, packed); });
}

const void* PackedFilter::get(const StepMemory& memory, std::byte* scratch, cudaStream_t stream) const {
  if (kept_) return kept_.get();
  packOnDevice(layout_, memory.in<float>(kFilterInput), scratch, stream);
  return scratch;
}

}  // namespace ocrnet::cuda::conv

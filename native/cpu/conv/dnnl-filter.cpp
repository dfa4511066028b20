#include "cpu/conv/dnnl-filter.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/bfloat16.h"
#include "core/error.h"
#include "core/integers.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu::conv {

namespace {

// Outputs that are read side by side: as many cache lines of the filter stay in the first-level cache, even
// where their distance is a power of two.
constexpr std::int64_t kOutputBlock = 16;

constexpr std::int64_t kGrainElements = 16 << 10;  // worth a thread

/// Where each index of one dimension of a blocked layout lies: the place of an element is the sum over its
/// indices.
std::vector<std::int64_t> offsetsAlong(const dnnl::memory::desc& layout, int dimension) {
  const dnnl_blocking_desc_t& blocking = layout.data.format_desc.blocking;
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i < layout.data.dims[dimension]; ++i) {
    std::int64_t offset = 0, stride = 1, rest = i;
    for (int block = blocking.inner_nblks - 1; block >= 0; --block) {
      const std::int64_t size = blocking.inner_blks[block];
      if (blocking.inner_idxs[block] == dimension) {
        offset += rest % size * stride;
        rest /= size;
      }
      stride *= size;
    }
    offsets.push_back(offset + rest * blocking.strides[dimension]);
  }
  return offsets;
}

/// offsetsAlong every dimension of a filter, whichever of them the layout has.
struct FilterOffsets {
  std::vector<std::int64_t> group{0}, output, input, row{0}, column{0};

  explicit FilterOffsets(const dnnl::memory::desc& layout) {
    const int rank = layout.data.ndims, grouped = rank == 5 ? 1 : 0;
    if (rank == 2) {
      input = offsetsAlong(layout, 0);
      output = offsetsAlong(layout, 1);
      return;
    }
    if (grouped) group = offsetsAlong(layout, 0);
    output = offsetsAlong(layout, grouped);
    input = offsetsAlong(layout, grouped + 1);
    row = offsetsAlong(layout, grouped + 2);
    column = offsetsAlong(layout, grouped + 3);
  }
};

/// Elements from one index of a filter in memory to the next, seen as (groups, O / groups, kh · kw,
/// C / groups); `first` is where all of them are zero.
struct FilterStrides {
  std::int64_t first, group, output, tap, input;

  explicit FilterStrides(const Problem& problem) {
    const Convolution& c = problem.convolution;
    const std::int64_t taps = c.kernelHeight * c.kernelWidth;
    const std::int64_t outputs = c.channelsOut / c.groups, inputs = c.channelsIn / c.groups;
    group = outputs * taps * inputs;
    if (problem.filterIsTransposed) {
      first = (taps - 1) * outputs, output = 1, tap = -outputs, input = taps * outputs;
    } else {
      first = 0, output = taps * inputs, tap = inputs, input = 1;
    }
  }
};

/// visit(place in the packed filter, place in the filter) for each element.
template <class Visit>
void eachElement(const Problem& problem, const FilterOffsets& to, int threads, const Visit& visit) {
  const Convolution& c = problem.convolution;
  const FilterStrides from(problem);
  const std::int64_t outputs = std::ssize(to.output), inputs = std::ssize(to.input);
  const std::int64_t taps = c.kernelHeight * c.kernelWidth, blocks = divideUp(outputs, kOutputBlock);
  const std::int64_t grain = divideUp(kGrainElements, std::min(outputs, kOutputBlock) * inputs);
  parallel(threads, c.groups * blocks * taps, grain, [&](Range range, int) {
    for (std::int64_t i = range.first; i < range.end; ++i) {
      const std::int64_t tap = i % taps, block = i / taps % blocks, group = i / taps / blocks;
      const std::int64_t first = block * kOutputBlock, end = std::min(first + kOutputBlock, outputs);
      const std::int64_t place =
          to.group[group] + to.row[tap / c.kernelWidth] + to.column[tap % c.kernelWidth];
      const std::int64_t element = from.first + group * from.group + tap * from.tap;
      for (std::int64_t input = 0; input < inputs; ++input) {
        const std::int64_t packed = place + to.input[input], column = element + input * from.input;
        for (std::int64_t o = first; o < end; ++o) visit(packed + to.output[o], column + o * from.output);
      }
    }
  });
}

bool hasPadding(const dnnl::memory::desc& layout) {
  return !std::equal(layout.data.dims, layout.data.dims + layout.data.ndims, layout.data.padded_dims);
}

}  // namespace

void packDnnlFilter(const Problem& problem, const dnnl::memory::desc& layout, const float* filter,
                    std::byte* packed, int threads) {
  if (layout.data.format_kind != dnnl_blocked || layout.data.extra.flags != dnnl_memory_extra_flag_none) {
    throw Error("UNSUPPORTED", "oneDNN wants a filter in a layout that is not known here");
  }
  const FilterOffsets offsets(layout);
  // Blocks that the channels do not fill count as zeros.
  if (hasPadding(layout)) std::memset(packed, 0, layout.get_size());
  if (problem.convolution.inputType == DataType::bfloat16) {
    auto* const rounded = reinterpret_cast<BFloat16*>(packed);
    eachElement(problem, offsets, threads,
                [=](std::int64_t place, std::int64_t i) { rounded[place] = toBFloat16(filter[i]); });
  } else {
    auto* const exact = reinterpret_cast<float*>(packed);
    eachElement(problem, offsets, threads,
                [=](std::int64_t place, std::int64_t i) { exact[place] = filter[i]; });
  }
}

void unpackDnnlFilter(const Problem& problem, const dnnl::memory::desc& layout, const std::byte* packed,
                      float* filter, int threads) {
  const auto* const exact = reinterpret_cast<const float*>(packed);
  eachElement(problem, FilterOffsets(layout), threads,
              [=](std::int64_t place, std::int64_t i) { filter[i] = exact[place]; });
}

}  // namespace ocrnet::cpu::conv

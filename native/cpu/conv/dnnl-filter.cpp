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

// Outputs that are read side by side: as many cache lines of the filter stay in the first-level cache.
constexpr std::int64_t kOutputBlock = 64;

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

/// visit(place in the packed filter, place in the filter) for each element.
template <class Visit>
void eachElement(const Convolution& c, const FilterOffsets& to, int threads, const Visit& visit) {
  const std::int64_t outputs = std::ssize(to.output), inputs = std::ssize(to.input);
  const std::int64_t taps = c.kernelHeight * c.kernelWidth, blocks = divideUp(outputs, kOutputBlock);
  parallel(threads, c.groups * blocks, 1, [&](Range range, int) {
    for (std::int64_t i = range.first; i < range.end; ++i) {
      const std::int64_t group = i / blocks, first = i % blocks * kOutputBlock;
      const std::int64_t end = std::min(first + kOutputBlock, outputs);
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        const std::int64_t place =
            to.group[group] + to.row[tap / c.kernelWidth] + to.column[tap % c.kernelWidth];
        for (std::int64_t input = 0; input < inputs; ++input) {
          const std::int64_t packed = place + to.input[input];
          const std::int64_t element = (group * outputs * taps + tap) * inputs + input;
          for (std::int64_t o = first; o < end; ++o) {
            visit(packed + to.output[o], element + o * taps * inputs);
          }
        }
      }
    }
  });
}

}  // namespace

void packDnnlFilter(const Convolution& convolution, const dnnl::memory::desc& layout, const float* filter,
                    std::byte* packed, int threads) {
  if (layout.data.format_kind != dnnl_blocked || layout.data.extra.flags != dnnl_memory_extra_flag_none) {
    throw Error("UNSUPPORTED", "oneDNN wants a filter in a layout that is not known here");
  }
  const FilterOffsets offsets(layout);
  // Blocks that the channels do not fill count as zeros.
  std::memset(packed, 0, layout.get_size());
  if (convolution.inputType == DataType::bfloat16) {
    auto* const rounded = reinterpret_cast<BFloat16*>(packed);
    eachElement(convolution, offsets, threads,
                [=](std::int64_t place, std::int64_t i) { rounded[place] = toBFloat16(filter[i]); });
  } else {
    auto* const exact = reinterpret_cast<float*>(packed);
    eachElement(convolution, offsets, threads,
                [=](std::int64_t place, std::int64_t i) { exact[place] = filter[i]; });
  }
}

void unpackDnnlFilter(const Convolution& convolution, const dnnl::memory::desc& layout,
                      const std::byte* packed, float* filter, int threads) {
  const auto* const exact = reinterpret_cast<const float*>(packed);
  eachElement(convolution, FilterOffsets(layout), threads,
              [=](std::int64_t place, std::int64_t i) { filter[i] = exact[place]; });
}

}  // namespace ocrnet::cpu::conv

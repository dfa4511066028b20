// The transpose of the resize, separable too. Of each row of dy the shares of every column of dx are summed
// in registers and added to the two rows of dx that it was made from, which are still in the cache: dy is
// read once. A row of dx takes its rows of dy from the top down, whoever computes it.

#include <type_traits>

#include "cpu/kernels/clear.h"
#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

/// A row of dx and its part of the sums.
struct Destination {
  float* row;
  Vec weight;
};

/// The sums of so many vectors of one column, the last of them perhaps in part; dx starts `at` in a row.
template <int vectors, class Last>
void addShare(const BilinearShare& share, const float* weights, const float* dy, std::int64_t stride,
              const Destination* destinations, int count, std::int64_t at, Last last) {
  const auto each = [&](const auto& body) {
    for (int v = 0; v + 1 < vectors; ++v) body(v, Whole{});
    body(vectors - 1, last);
  };
  Vec sums[vectors];
  for (int v = 0; v < vectors; ++v) sums[v] = zero();
  for (std::int64_t column = share.first; column < share.end; ++column) {
    const Vec weight = broadcast(weights[column - share.first]);
    const float* const pixel = dy + column * stride;
    each([&](int v, auto lanes) { sums[v] = fma(weight, load(pixel + v * kLanes, lanes), sums[v]); });
  }
  for (int i = 0; i < count; ++i) {
    float* const dx = destinations[i].row + at;
    each([&](int v, auto lanes) {
      store(dx + v * kLanes, fma(destinations[i].weight, sums[v], load(dx + v * kLanes, lanes)), lanes);
    });
  }
}

void addRow(const ResizeBilinearGradient& r, const float* dy, const Destination* destinations, int count) {
  for (std::int64_t column = 0; column < r.width; ++column) {
    const BilinearShare& share = r.columns[column];
    if (share.first == share.end) continue;
    const auto add = [&](auto vectors, std::int64_t c, auto last) {
      addShare<vectors>(share, r.columnWeights + share.weight, dy + c, r.dy.stride, destinations, count,
                        column * r.dx.stride + c, last);
    };
    constexpr std::integral_constant<int, 8> many;
    std::int64_t c = 0;
    for (; c + many * kLanes <= r.channels; c += many * kLanes) add(many, c, Whole{});
    for (; c + 4 * kLanes <= r.channels; c += 4 * kLanes) add(std::integral_constant<int, 4>{}, c, Whole{});
    const std::int64_t whole = (r.channels - c) / kLanes, rest = (r.channels - c) % kLanes;
    const auto addLast = [&](auto vectors) {
      rest == 0 ? add(vectors, c, Whole{}) : add(vectors, c, First{rest});
    };
    switch (whole + (rest > 0)) {
      case 1:
        addLast(std::integral_constant<int, 1>{});
        break;
      case 2:
        addLast(std::integral_constant<int, 2>{});
        break;
      case 3:
        addLast(std::integral_constant<int, 3>{});
        break;
      case 4:
        addLast(std::integral_constant<int, 4>{});
        break;
      default:
        break;
    }
  }
}

/// Some rows of one image's dx.
void gatherRows(const ResizeBilinearGradient& r, std::int64_t image, Range rows) {
  float* const dx = static_cast<float*>(r.dx.data) + image * r.height * r.width * r.dx.stride;
  const float* const dy =
      static_cast<const float*>(r.dy.data) + image * r.outputHeight * r.outputWidth * r.dy.stride;
  ClearedRows cleared(dx, r.width, r.channels, r.dx.stride, rows);
  for (std::int64_t output = 0; output < r.outputHeight; ++output) {
    const auto& [first, second, weight] = r.rows[output];
    if (second < rows.first) continue;
    if (first >= rows.end) break;
    Destination destinations[2];
    int count = 0;
    const auto addTo = [&](std::int64_t row, float share) {
      if (row < rows.first || row >= rows.end) return;
      destinations[count++] = {dx + row * r.width * r.dx.stride, broadcast(share)};
    };
    addTo(first, first == second ? 1 : 1 - weight);
    if (second != first) addTo(second, weight);
    cleared.upTo(second + 1);
    addRow(r, dy + output * r.outputWidth * r.dy.stride, destinations, count);
  }
  cleared.upTo(rows.end);
}

}  // namespace

void resizeBilinearGradient(const ResizeBilinearGradient& r, Range rows) {
  eachImage(rows, r.height, [&](std::int64_t image, Range own) { gatherRows(r, image, own); });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

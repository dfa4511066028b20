// Separable: for an output row, the rows of a map that its taps touch are mixed once, for each column of taps
// by itself; an output pixel is then a weighted sum of a few mixed pixels. Tiles of columns and channels are
// so small that mixed rows stay in the L1 cache: the output is written once, whatever the number of maps and
// taps.

#include "cpu/kernels/epilogue.h"
#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

namespace {

constexpr int kBlockVectors = 4;

/// finish(channel, Σ weight · row, lanes) for each vector of channels. Blocks of vectors, so that the list is
/// walked seldom.
template <class Finish>
void sumTerms(const WeightedRow* terms, std::int64_t count, std::int64_t channels, const Finish& finish) {
  std::int64_t c = 0;
  for (; c + kBlockVectors * kLanes <= channels; c += kBlockVectors * kLanes) {
    Vec sums[kBlockVectors];
    for (int v = 0; v < kBlockVectors; ++v) sums[v] = zero();
    for (std::int64_t term = 0; term < count; ++term) {
      const Vec weight = broadcast(terms[term].weight);
      for (int v = 0; v < kBlockVectors; ++v) {
        sums[v] = fma(weight, load(terms[term].row + c + v * kLanes, Whole{}), sums[v]);
      }
    }
    for (int v = 0; v < kBlockVectors; ++v) finish(c + v * kLanes, sums[v], Whole{});
  }
  eachVector(channels - c, [&](std::int64_t i, auto lanes) {
    Vec sum = zero();
    for (std::int64_t term = 0; term < count; ++term) {
      sum = fma(broadcast(terms[term].weight), load(terms[term].row + c + i, lanes), sum);
    }
    finish(c + i, sum, lanes);
  });
}

/// Some columns of an output row and some of its channels.
class Tile {
 public:
  Tile(const ResizeTaps& r, std::int64_t row, Range columns, Range channels)
      : r_(r), row_(row), columns_(columns), channels_(channels) {}

  void mixRows() const {
    for (std::int64_t map = 0; map < r_.mapCount; ++map) {
      for (std::int64_t tap = 0; tap < r_.kernel; ++tap) mixRows(r_.maps[map], tap, mixed(map, tap));
    }
  }

  template <bool residual, class T, class Activate>
  void sumColumns(Activate activate) const {
    for (std::int64_t column = columns_.first; column < columns_.end; ++column) {
      const std::int64_t count = findTerms(column), pixel = row_ * r_.outputWidth + column;
      T* const y = static_cast<T*>(r_.y.data) + pixel * r_.y.stride + channels_.first;
      const T* const added = static_cast<const T*>(r_.residual.data) +
                             (residual ? pixel * r_.residual.stride + channels_.first : 0);
      sumTerms(r_.terms, count, channels_.size(), [&](std::int64_t c, Vec sum, auto lanes) {
        if constexpr (residual) sum = add(sum, load(added + c, lanes));
        store(y + c, activate(sum), lanes);
      });
    }
  }

 private:
  /// How far the taps of a row or column lie from the middle one.
  std::int64_t offset(std::int64_t tap) const { return (tap - r_.kernel / 2) * r_.dilation; }

  float* mixed(std::int64_t map, std::int64_t tap) const {
    return r_.mixedRows + (map * r_.kernel + tap) * r_.mixedColumns * r_.tileChannels;
  }

  /// The columns of a map that a column of taps reads, from all output columns at which it lies inside.
  Range sources(const TapMap& map, std::int64_t tap) const {
    const std::int64_t first = columns_.first + offset(tap), end = columns_.end + offset(tap);
    const std::int64_t inside = first < 0 ? 0 : first,
                       insideEnd = end < r_.outputWidth ? end : r_.outputWidth;
    if (inside >= insideEnd) return {0, 0};
    return {map.columns[inside].first, map.columns[insideEnd - 1].second + 1};
  }

  void mixRows(const TapMap& map, std::int64_t tapColumn, float* to) const {
    const std::int64_t image = row_ / r_.outputHeight, imageRow = row_ % r_.outputHeight;
    const Range columns = sources(map, tapColumn);
    std::int64_t count = 0;
    for (std::int64_t tapRow = 0; tapRow < r_.kernel; ++tapRow) {
      const std::int64_t row = imageRow + offset(tapRow);
      if (row < 0 || row >= r_.outputHeight) continue;
      const BilinearTap& tap = map.rows[row];
      const std::int64_t channel = (tapRow * r_.kernel + tapColumn) * r_.channels + channels_.first;
      const auto source = [&](std::int64_t sourceRow) {
        const std::int64_t pixel = (image * map.height + sourceRow) * map.width + columns.first;
        return map.z + pixel * map.stride + channel;
      };
      r_.terms[count++] = {source(tap.first), 1 - tap.weight};
      r_.terms[count++] = {source(tap.second), tap.weight};
    }
    for (std::int64_t column = columns.first; column < columns.end; ++column, to += r_.tileChannels) {
      sumTerms(r_.terms, count, channels_.size(),
               [&](std::int64_t c, Vec sum, auto lanes) { store(to + c, sum, lanes); });
      for (std::int64_t term = 0; term < count; ++term) r_.terms[term].row += map.stride;
    }
  }

  /// The mixed pixels that an output pixel consists of; how many.
  std::int64_t findTerms(std::int64_t outputColumn) const {
    std::int64_t count = 0;
    for (std::int64_t map = 0; map < r_.mapCount; ++map) {
      for (std::int64_t tapColumn = 0; tapColumn < r_.kernel; ++tapColumn) {
        const std::int64_t column = outputColumn + offset(tapColumn);
        if (column < 0 || column >= r_.outputWidth) continue;
        const BilinearTap& tap = r_.maps[map].columns[column];
        const std::int64_t first = sources(r_.maps[map], tapColumn).first;
        const float* const row = mixed(map, tapColumn);
        r_.terms[count++] = {row + (tap.first - first) * r_.tileChannels, 1 - tap.weight};
        r_.terms[count++] = {row + (tap.second - first) * r_.tileChannels, tap.weight};
      }
    }
    return count;
  }

  const ResizeTaps& r_;
  const std::int64_t row_;  // counted over the batch
  const Range columns_, channels_;
};

/// From one multiple of `step` to the next, the last one short.
template <class Body>
void eachTile(std::int64_t extent, std::int64_t step, const Body& body) {
  for (std::int64_t first = 0; first < extent; first += step) {
    body(Range{first, first + step < extent ? first + step : extent});
  }
}

}  // namespace

void resizeTaps(const ResizeTaps& r, Range rows) {
  withFloatType(r.outputType, [&](auto type) {
    using T = decltype(type);
    withActivation(r.epilogue, [&](auto activate) {
      for (std::int64_t row = rows.first; row < rows.end; ++row) {
        eachTile(r.outputWidth, r.tileWidth, [&](Range columns) {
          eachTile(r.channels, r.tileChannels, [&](Range channels) {
            const Tile tile(r, row, columns, channels);
            tile.mixRows();
            if (r.residual.data) return tile.sumColumns<true, T>(activate);
            tile.sumColumns<false, T>(activate);
          });
        });
      }
    });
  });
}

}  // namespace ocrnet::cpu::OCRNET_ISA

// Separable: the rows of a map that the taps of an output row touch are mixed once, for each column of taps
// by itself; an output pixel is then a weighted sum of a few mixed pixels. Mixed rows are as narrow as the
// map, and lie in scratch. With a single tap there is as little to mix as to read: each pixel then mixes its
// own.

#include <vector>

#include "core/bilinear.h"
#include "cuda/device/activation.h"
#include "cuda/device/element.h"
#include "cuda/map-packs.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

namespace {

constexpr std::size_t kResidual = 6;  // behind the maps
constexpr int kTapPack = 4;

/// One of the maps: its products with each tap of the filter.
struct TapMap {
  std::int64_t height, width;
  const BilinearTap *rows, *columns;  // of y
  Source z;                           // (N, height, width, kernel² · channels)
  float* mixed;                       // (N, rows of y, width, kernel · channels)
};

struct Taps {
  std::int64_t height, width, channels;  // of y
  int kernel, dilation;

  __device__ __forceinline__ Taps single() const { return {height, width, channels, 1, 1}; }
  /// How far the taps of a row or column lie from the middle one.
  __device__ __forceinline__ std::int64_t offset(int tap) const { return (tap - kernel / 2) * dilation; }
};

/// sum += weight · x, for a pack of channels.
template <int count>
__device__ __forceinline__ void addTerm(float weight, const float* x, float (&sum)[count]) {
  float values[count];
  loadPack<count>(x, values);
#pragma unroll
  for (int k = 0; k < count; ++k) sum[k] = fmaf(weight, values[k], sum[k]);
}

/// Adds, times `weight`, what the rows around `row` of a column of taps make of a column of the map.
template <int count>
__device__ __forceinline__ void addMixed(const Taps& t, const TapMap& map, std::int64_t image,
                                         std::int64_t row, std::int64_t sourceColumn, int tapColumn,
                                         std::int64_t channel, float weight, float (&sum)[count]) {
  for (int tapRow = 0; tapRow < t.kernel; ++tapRow) {
    const std::int64_t at = row + t.offset(tapRow);
    if (at < 0 || at >= t.height) continue;
    const BilinearTap tap = map.rows[at];
    const std::int64_t first = (tapRow * t.kernel + tapColumn) * t.channels + channel;
    const auto source = [&](std::int32_t sourceRow) {
      const std::int64_t pixel = (image * map.height + sourceRow) * map.width + sourceColumn;
      return map.z.as<float>() + pixel * map.z.stride + first;
    };
    addTerm(weight * (1 - tap.weight), source(tap.first), sum);
    addTerm(weight * tap.weight, source(tap.second), sum);
  }
}

/// `ofTap`: the packs of one tap.
template <int count>
__global__ void __launch_bounds__(kElementThreads)
    mixRowsKernel(Taps t, TapMap map, Divisor ofTap, MapPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count) return;
  auto [pixel, image, row, column, pack] = packs.place(i);
  const auto tapColumn = static_cast<int>(ofTap.split(pack));
  float sum[count] = {};
  addMixed(t, map, image, row, column, tapColumn, pack * count, 1, sum);
  storePack<count>(map.mixed + i * count, sum);
}

struct TapMaps {
  TapMap list[kResidual];
  int count;
};

/// `mixes`: there is a single tap.
template <class T, int count, bool mixes>
__global__ void __launch_bounds__(kElementThreads)
    sumColumnsKernel(Taps taps, const __grid_constant__ TapMaps maps, Source residual, Target y,
                     Epilogue epilogue, MapPacks packs) {
  const std::int64_t i = packIndex();
  if (i >= packs.count) return;
  const auto [pixel, image, row, column, pack] = packs.place(i);
  const std::int64_t channel = pack * count;
  const Taps t = mixes ? taps.single() : taps;
  float sum[count] = {};
#pragma unroll 1
  for (int m = 0; m < maps.count; ++m) {
    const TapMap& map = maps.list[m];
    for (int tapColumn = 0; tapColumn < t.kernel; ++tapColumn) {
      const std::int64_t at = column + t.offset(tapColumn);
      if (at < 0 || at >= t.width) continue;
      const BilinearTap tap = map.columns[at];
      const auto add = [&](std::int32_t sourceColumn, float weight) {
        if constexpr (mixes) {
          addMixed(t, map, image, row, sourceColumn, tapColumn, channel, weight, sum);
        } else {
          const std::int64_t source = (image * t.height + row) * map.width + sourceColumn;
          addTerm(weight, map.mixed + (source * t.kernel + tapColumn) * t.channels + channel, sum);
        }
      };
      add(tap.first, 1 - tap.weight);
      add(tap.second, tap.weight);
    }
  }
  if (residual.data) {
    float added[count];
    loadPack<count>(residual.as<T>() + pixel * residual.stride + channel, added);
#pragma unroll
    for (int k = 0; k < count; ++k) sum[k] += added[k];
  }
#pragma unroll
  for (int k = 0; k < count; ++k) sum[k] = activated(sum[k], epilogue);
  storePack<count>(y.as<T>() + pixel * y.stride + channel, sum);
}

/// Where in scratch the mixed rows of each map lie, by input, and behind the last of them.
std::vector<std::size_t> mixedOffsets(const StepDescription& step) {
  const TensorInfo& y = *step.output(0);
  const std::int64_t kernel = step.attributes<ResizeTapsAttributes>().kernel;
  std::vector<std::size_t> offsets(1, 0);
  for (std::size_t i = 0; i < kResidual; ++i) {
    const TensorInfo* const z = step.input(i);
    const std::int64_t floats =
        z && kernel > 1 ? y.shape[0] * y.shape[1] * z->shape[2] * kernel * y.channels() : 0;
    offsets.push_back(offsets.back() +
                      roundUp(static_cast<std::size_t>(floats) * sizeof(float), kScratchAlignment));
  }
  return offsets;
}

Choice chooseResizeTaps(const StepDescription& step, const Device&) {
  return {.scratchBytes = mixedOffsets(step).back()};
}

/// A map before there is memory.
struct PreparedMap {
  std::size_t input, mixedOffset;
  TensorInfo z;
  Table<BilinearTap> rows, columns;

  TapMap get(const StepMemory& memory) const {
    return {z.shape[1],
            z.shape[2],
            rows.data(),
            columns.data(),
            {memory.inputs[input], z.pixelStride},
            reinterpret_cast<float*>(memory.scratch + mixedOffset)};
  }
};

class ResizeTapsStep final : public PreparedStep {
 public:
  ResizeTapsStep(const StepDescription& step, const Parameters& parameters)
      : attributes_(step.attributes<ResizeTapsAttributes>()),
        y_(*step.output(0)),
        residualStride_(step.input(kResidual) ? step.input(kResidual)->pixelStride : 0) {
    const std::vector<std::size_t> offsets = mixedOffsets(step);
    for (std::size_t i = 0; i < kResidual; ++i) {
      const TensorInfo* const z = step.input(i);
      if (!z) continue;
      maps_.push_back({i,
                       offsets[i],
                       *z,
                       {parameters, bilinearTaps(z->shape[1], y_.shape[1], attributes_.alignCorners)},
                       {parameters, bilinearTaps(z->shape[2], y_.shape[2], attributes_.alignCorners)}});
    }
  }

  void enqueue(const StepMemory& memory, cudaStream_t stream) override {
    TapMaps maps{};
    for (const PreparedMap& map : maps_) maps.list[maps.count++] = map.get(memory);
    const Source residual{memory.inputs[kResidual], residualStride_};
    const Target y{memory.outputs[0], y_.pixelStride};
    bool wide = fitsPacks(kTapPack, y_.channels(), kTapPack * sizeof(float), {residual, y.asSource()});
    for (int i = 0; i < maps.count; ++i) {
      wide = wide && fitsPacks(kTapPack, y_.channels(), kTapPack * sizeof(float), {maps.list[i].z});
    }
    wide ? run<kTapPack>(maps, residual, y, stream) : run<1>(maps, residual, y, stream);
  }

 private:
  template <int count>
  void run(const TapMaps& maps, const Source& residual, const Target& y, cudaStream_t stream) const {
    const Taps taps{y_.shape[1], y_.shape[2], y_.channels(), attributes_.kernel, attributes_.dilation};
    const Epilogue epilogue{attributes_.activation, attributes_.negativeSlope};
    const std::int64_t packs = y_.channels() / count;
    const bool mixesFirst = attributes_.kernel > 1;
    for (int i = 0; mixesFirst && i < maps.count; ++i) {
      const MapPacks mixed(y_.shape[0], y_.shape[1], maps.list[i].width, packs * attributes_.kernel);
      launch<mixRowsKernel<count>>(mixed.shape(), stream, taps, maps.list[i], Divisor(packs), mixed);
    }
    const MapPacks written(y_, count);
    withFloatType(y_.dataType, [&](auto element) {
      using T = decltype(element);
      if (mixesFirst) {
        launch<sumColumnsKernel<T, count, false>>(written.shape(), stream, taps, maps, residual, y, epilogue,
                                                  written);
      } else {
        launch<sumColumnsKernel<T, count, true>>(written.shape(), stream, taps, maps, residual, y, epilogue,
                                                 written);
      }
    });
  }

  const ResizeTapsAttributes attributes_;
  const TensorInfo y_;
  const std::int64_t residualStride_;
  std::vector<PreparedMap> maps_;
};

std::unique_ptr<PreparedStep> prepareResizeTaps(const StepDescription& step, const Device& device,
                                                Parameters& parameters) {
  requireChoice(step, chooseResizeTaps(step, device));
  return std::make_unique<ResizeTapsStep>(step, parameters);
}

}  // namespace

const Op resizeTapsOp{.choose = chooseResizeTaps, .prepare = prepareResizeTaps};

}  // namespace ocrnet::cuda

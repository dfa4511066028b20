#pragma once

// What every algorithm does with the sums of a convolution: bias, residual and activation, then the result;
// and what some do with results, for conv2dMoments.

#include <cstdint>

#include "core/moments.h"
#include "cuda/conv/problem.h"
#include "cuda/device/activation.h"
#include "cuda/device/element.h"

namespace ocrnet::cuda::conv {

/// Means and sums of squared distances from them, (ranges, channels) each; null where nobody wants them.
struct Moments {
  float *means, *squares;
  std::int64_t channels;

  __device__ bool wanted() const { return means || squares; }
  __device__ void write(std::int64_t range, int channel, float mean, float sumOfSquares) const {
    const std::int64_t at = range * channels + channel;
    if (means) means[at] = mean;
    if (squares) squares[at] = sumOfSquares;
  }
};

struct Finish {
  const float* bias;  // or null
  Source residual;    // of the result's type; its data may be null
  Target result;
  bool resultIsFloat32;  // else of the source's type
  Epilogue epilogue;
  Moments moments;
};

inline Finish finishOf(const Problem& problem, const StepMemory& memory) {
  const auto in = [&](int input) -> const std::byte* { return input < 0 ? nullptr : memory.inputs[input]; };
  const auto out = [&](std::size_t output) { return problem.moments ? memory.out<float>(output) : nullptr; };
  return {.bias = reinterpret_cast<const float*>(in(problem.biasInput)),
          .residual = {in(problem.residualInput), problem.residualStride},
          .result = {memory.outputs[0], problem.resultStride},
          .resultIsFloat32 = problem.resultType == DataType::float32,
          .epilogue = problem.epilogue,
          .moments = {out(1), out(2), std::int64_t{problem.groups} * problem.resultChannels}};
}

/// `count` neighbouring channels of a result pixel, from their sums, in whose place they are left.
template <int count, class T>
__device__ __forceinline__ void finishAs(const Finish& f, std::int64_t pixel, int channel,
                                         float (&sum)[count]) {
  if (f.bias) {
#pragma unroll
    for (int k = 0; k < count; ++k) sum[k] += f.bias[channel + k];
  }
  if (f.residual.data) {
    float residual[count];
    loadPack<count>(f.residual.as<T>() + pixel * f.residual.stride + channel, residual);
#pragma unroll
    for (int k = 0; k < count; ++k) sum[k] += residual[k];
  }
#pragma unroll
  for (int k = 0; k < count; ++k) sum[k] = activated(sum[k], f.epilogue);
  storePack<count>(static_cast<T*>(f.result.data) + pixel * f.result.stride + channel, sum);
#pragma unroll
  for (int k = 0; k < count; ++k) sum[k] = toFloat32(fromFloat32<T>(sum[k]));
}

/// The same; T is the source's type.
template <class T, int count>
__device__ __forceinline__ void finish(const Finish& f, std::int64_t pixel, int channel,
                                       float (&sum)[count]) {
  if (std::is_same_v<T, float> || f.resultIsFloat32) {
    finishAs<count, float>(f, pixel, channel, sum);
  } else {
    finishAs<count, T>(f, pixel, channel, sum);
  }
}

}  // namespace ocrnet::cuda::conv

#include "cpu/conv/problem.h"

#include <bit>

namespace ocrnet::cpu::conv {

float Convolution::slope() const { return std::bit_cast<float>(slopeBits); }

Problem describeProblem(const StepDescription& description) {
  const TensorInfo& x = *description.input(kX);
  const TensorInfo& filter = *description.input(kFilter);
  const TensorInfo* residual = description.input(kResidual);
  const TensorInfo& y = *description.output(0);
  const auto& attributes = description.attributes<Conv2dAttributes>();
  return {
      .convolution =
          {
              .batch = x.shape[0],
              .height = x.shape[1],
              .width = x.shape[2],
              .channelsIn = x.shape[3],
              .outputHeight = y.shape[1],
              .outputWidth = y.shape[2],
              .channelsOut = y.shape[3],
              .kernelHeight = filter.shape[1],
              .kernelWidth = filter.shape[2],
              .stride = attributes.stride,
              .padding = attributes.padding,
              .dilation = attributes.dilation,
              .groups = attributes.groups,
              .inputType = x.dataType,
              .outputType = y.dataType,
              .bias = description.input(kBias) != nullptr,
              .residual = residual != nullptr,
              .activation = attributes.activation,
              .slopeBits = attributes.activation == Activation::leakyRelu
                               ? std::bit_cast<std::uint32_t>(attributes.negativeSlope)
                               : 0,
          },
      .inputPixelStride = x.pixelStride,
      .outputPixelStride = y.pixelStride,
      .residualPixelStride = residual ? residual->pixelStride : 0,
      .filterIsParameter = filter.storage == Storage::parameter,
  };
}

}  // namespace ocrnet::cpu::conv

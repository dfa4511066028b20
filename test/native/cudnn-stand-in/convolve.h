#pragma once

// Convolutions and their gradients by plain loops.

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "core/bfloat16.h"
#include "core/float16.h"
#include "descriptor.h"

namespace ocrnet::test::cudnn {

/// Of one operation: the attributes, and which tensor it computes.
struct Operation {
  unsigned x, w, y, window, alpha, beta, result;
};

inline Operation operationOf(unsigned type) {
  switch (type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX};
    default:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW};
  }
}

/// A tensor in memory.
struct Tensor {
  unsigned type;
  std::int64_t id, alignment;
  std::array<std::int64_t, 4> dimensions, strides;
  std::byte* data = nullptr;

  explicit Tensor(const Descriptor& d)
      : type(d.get<unsigned>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        id(d.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(d.get<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)) {
    for (std::size_t i = 0; i < 4; ++i) {
      dimensions[i] = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, i);
      strides[i] = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, i);
    }
  }

  using Place = std::array<std::int64_t, 4>;
  std::int64_t at(const Place& p) const {
    return p[0] * strides[0] + p[1] * strides[1] + p[2] * strides[2] + p[3] * strides[3];
  }
  float read(const Place& p) const {
    if (type == CUDNN_DATA_FLOAT) return reinterpret_cast<const float*>(data)[at(p)];
    if (type == CUDNN_DATA_HALF) return toFloat(reinterpret_cast<const ocrnet::Float16*>(data)[at(p)]);
    return toFloat(reinterpret_cast<const ocrnet::BFloat16*>(data)[at(p)]);
  }
  void write(const Place& p, float value) const {
    if (type == CUDNN_DATA_FLOAT) {
      reinterpret_cast<float*>(data)[at(p)] = value;
    } else if (type == CUDNN_DATA_HALF) {
      reinterpret_cast<ocrnet::Float16*>(data)[at(p)] = ocrnet::toFloat16(value);
    } else {
      reinterpret_cast<ocrnet::BFloat16*>(data)[at(p)] = ocrnet::toBFloat16(value);
    }
  }
  /// Of the elements in the order of the dimensions.
  Place placeOf(std::int64_t i) const {
    Place p{};
    for (std::size_t d = 4; d-- > 0;) {
      p[d] = i % dimensions[d];
      i /= dimensions[d];
    }
    return p;
  }
  std::int64_t elements() const { return dimensions[0] * dimensions[1] * dimensions[2] * dimensions[3]; }
};

inline float roundedToTf32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x1000) & ~std::uint32_t{0x1fff};
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// All that an execution needs once its descriptors are gone.
struct Job {
  Tensor x, w, y;
  std::array<std::int64_t, 2> padding, stride, dilation;
  unsigned result;  // of x, w and y as operationOf names them
  Operation attributes;
  bool isRight, tf32;
  std::byte* workspace;
  std::int64_t workspaceBytes;

  const Tensor& target() const { return result == attributes.x ? x : result == attributes.w ? w : y; }

  void run() const {
    if (workspaceBytes > 0) std::memset(workspace, 0xff, static_cast<std::size_t>(workspaceBytes));
    const Tensor& to = target();
    std::vector<double> sums(static_cast<std::size_t>(to.elements()));
    const std::int64_t inputs = w.dimensions[1], outputs = w.dimensions[0] / (x.dimensions[1] / inputs);
    const auto sumAt = [&](const Tensor::Place& p) -> double& {
      const auto& d = to.dimensions;
      return sums[static_cast<std::size_t>(((p[0] * d[1] + p[1]) * d[2] + p[2]) * d[3] + p[3])];
    };
    const auto operand = [&](const Tensor& from, const Tensor::Place& p) -> double {
      const float value = from.read(p);
      return tf32 ? roundedToTf32(value) : value;
    };
    for (std::int64_t i = 0; isRight && i < y.elements(); ++i) {
      const Tensor::Place out = y.placeOf(i);
      for (std::int64_t tap = 0; tap < w.dimensions[2] * w.dimensions[3]; ++tap) {
        const std::int64_t u = tap / w.dimensions[3], v = tap % w.dimensions[3];
        const std::int64_t row = out[2] * stride[0] - padding[0] + u * dilation[0];
        const std::int64_t column = out[3] * stride[1] - padding[1] + v * dilation[1];
        if (row < 0 || row >= x.dimensions[2] || column < 0 || column >= x.dimensions[3]) continue;
        for (std::int64_t c = 0; c < inputs; ++c) {
          const Tensor::Place in{out[0], out[1] / outputs * inputs + c, row, column};
          const Tensor::Place weight{out[1], c, u, v};
          if (result == attributes.y) {
            sumAt(out) += operand(x, in) * operand(w, weight);
          } else if (result == attributes.x) {
            sumAt(in) += operand(y, out) * operand(w, weight);
          } else {
            sumAt(weight) += operand(x, in) * operand(y, out);
          }
        }
      }
    }
    for (std::int64_t i = 0; i < to.elements(); ++i) {
      const auto sum = static_cast<float>(sums[static_cast<std::size_t>(i)]);
      to.write(to.placeOf(i), isRight ? sum : std::numeric_limits<float>::quiet_NaN());
    }
  }
};

}  // namespace ocrnet::test::cudnn

#pragma once

#include <cstddef>

#include "cpu/device.h"
#include "cpu/winograd/winograd.h"

namespace ocrnet::cpu::winograd {

struct FilterGradientOperands {
  const float* x;   // (batch, height, width, channelsIn)
  const float* dy;  // (batch, outputHeight, outputWidth, channelsOut)
  float* dFilter;   // (channelsOut, 3, 3, channelsIn)
};

/// Bytes of the scratch that runFilterGradient needs; its address should be a multiple of 64.
std::size_t filterGradientScratchBytes(const Problem& problem, const Device& device);

/// dFilter of y = x ∗ filter, where `problem` is that convolution; outputPixelStride is that of dy.
void runFilterGradient(const Problem& problem, const Device& device, const FilterGradientOperands& operands,
                       void* scratch);

/// The time of runFilterGradient as relativeCost has it.
double filterGradientRelativeCost(const Problem& problem, const Device& device);

}  // namespace ocrnet::cpu::winograd

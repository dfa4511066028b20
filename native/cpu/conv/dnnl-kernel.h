#pragma once

#include <dnnl.hpp>
#include <memory>
#include <string>

#include "cpu/conv/problem.h"

namespace ocrnet::cpu::conv {

/// A oneDNN primitive on dense tensors, and the layouts that it wants.
struct DnnlKernel {
  dnnl::primitive primitive;
  dnnl::memory::desc x, filter, bias, y, scratchpad;
  std::string implementation;  // oneDNN's name of it, as "brgconv:avx512_core"

  /// oneDNN's last resort, a plain loop: tens of times slower than its other implementations.
  bool isReference() const { return implementation.starts_with("ref"); }
};

/// The convolution primitive of a problem, cut for this number of threads. Made once and kept: a network asks
/// twice for each of its hundreds of convolutions, many of them equal.
std::shared_ptr<const DnnlKernel> convolutionKernel(const Convolution& convolution, int threads);

/// The gradients of that convolution, without epilogue: x and y are their gradients where oneDNN writes or
/// reads these.
std::shared_ptr<const DnnlKernel> inputGradientKernel(const Convolution& convolution, int threads);
std::shared_ptr<const DnnlKernel> filterGradientKernel(const Convolution& convolution, int threads);

/// A 1×1 convolution of stride 1 without padding as the product of a (pixels, C) and a (C, O) matrix.
/// It reads the packed filter of `sharesFilterWith`, if given, otherwise one in the layout that it likes
/// best.
std::shared_ptr<const DnnlKernel> matmulKernel(const Convolution& convolution, std::int64_t pixels,
                                               int threads, const DnnlKernel* sharesFilterWith = nullptr);

}  // namespace ocrnet::cpu::conv

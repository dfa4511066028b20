#pragma once

#include <cstddef>
#include <dnnl.hpp>
#include <memory>
#include <unordered_map>

#include "cpu/conv/dnnl-kernel.h"

namespace ocrnet::cpu::conv {

/// What oneDNN calls the operands of a kernel.
struct DnnlArguments {
  int x, filter, y;
};

inline constexpr DnnlArguments kForwardArguments{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
inline constexpr DnnlArguments kInputGradientArguments{DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS,
                                                       DNNL_ARG_DIFF_DST};
inline constexpr DnnlArguments kFilterGradientArguments{DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS,
                                                        DNNL_ARG_DIFF_DST};

/// A kernel with its own oneDNN memory objects, whose addresses change from run to run.
class DnnlExecution {
 public:
  DnnlExecution(std::shared_ptr<const DnnlKernel> kernel, const DnnlArguments& names);

  /// Whatever of these is an output is written.
  void run(const std::byte* x, const std::byte* filter, const float* bias, const std::byte* y,
           std::byte* scratchpad);

 private:
  std::shared_ptr<const DnnlKernel> kernel_;
  DnnlArguments names_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

/// Rows of bytes, `stride` apart.
struct Rows {
  std::byte* data;
  std::size_t stride;
};

/// Does nothing where the rows are where they should be.
void copyRows(Rows from, Rows to, std::size_t bytes, std::int64_t count, int threads);

}  // namespace ocrnet::cpu::conv

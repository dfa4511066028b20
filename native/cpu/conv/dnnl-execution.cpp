#include "cpu/conv/dnnl-execution.h"

#include <cstring>
#include <utility>

#include "cpu/dnnl/context.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu::conv {

namespace {

constexpr std::int64_t kCopyGrainBytes = 32 << 10;

dnnl::memory unbound(const dnnl::memory::desc& layout) { return {layout, dnnlEngine(), nullptr}; }

}  // namespace

DnnlExecution::DnnlExecution(std::shared_ptr<const DnnlKernel> kernel, const DnnlArguments& names)
    : kernel_(std::move(kernel)),
      names_(names),
      arguments_{{names.x, unbound(kernel_->x)},
                 {names.filter, unbound(kernel_->filter)},
                 {names.y, unbound(kernel_->y)},
                 {DNNL_ARG_SCRATCHPAD, unbound(kernel_->scratchpad)}} {
  if (!kernel_->bias.is_zero()) arguments_.emplace(DNNL_ARG_BIAS, unbound(kernel_->bias));
}

void DnnlExecution::run(const std::byte* x, const std::byte* filter, const float* bias, const std::byte* y,
                        std::byte* scratchpad) {
  const auto bind = [this](int argument, const void* data) {
    arguments_.at(argument).set_data_handle(const_cast<void*>(data));
  };
  bind(names_.x, x);
  // Its padding gets zeroed by set_data_handle each time, so bind it only where it moved.
  if (arguments_.at(names_.filter).get_data_handle() != filter) bind(names_.filter, filter);
  bind(names_.y, y);
  bind(DNNL_ARG_SCRATCHPAD, scratchpad);
  if (!kernel_->bias.is_zero()) bind(DNNL_ARG_BIAS, bias);
  kernel_->primitive.execute(dnnlStream(), arguments_);
}

void copyRows(Rows from, Rows to, std::size_t bytes, std::int64_t count, int threads) {
  if (from.data == to.data) return;
  parallel(threads, count, kCopyGrainBytes / static_cast<std::int64_t>(bytes), [=](Range range, int) {
    for (std::int64_t i = range.first; i < range.end; ++i) {
      std::memcpy(to.data + i * to.stride, from.data + i * from.stride, bytes);
    }
  });
}

}  // namespace ocrnet::cpu::conv

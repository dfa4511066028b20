#include "cpu/conv/dnnl-kernel.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "core/error.h"
#include "cpu/dnnl/context.h"

namespace ocrnet::cpu::conv {

namespace {

using dnnl::memory;
using Dims = memory::dims;

dnnl::primitive_attr epilogue(const Convolution& c) {
  dnnl::post_ops operations;
  if (c.residual) operations.append_sum(1.0f);
  switch (c.activation) {
    case Activation::none:
      break;
    case Activation::relu:
      operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
      break;
    case Activation::relu6:
      operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_clip, 0.0f, 6.0f);
      break;
    case Activation::leakyRelu:
      operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, c.slope(), 0.0f);
      break;
  }
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(operations);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// What oneDNN asks for to describe a convolution; the same for all three passes.
struct Geometry {
  memory::desc x, filter, bias, y;
  Dims strides, dilations, before, after;

  explicit Geometry(const Convolution& c)
      : strides{c.stride, c.stride}, dilations{c.dilation - 1, c.dilation - 1}, before{c.padding, c.padding} {
    const auto any = memory::format_tag::any, nhwc = memory::format_tag::nhwc;
    const std::int64_t outputs = c.channelsOut / c.groups, inputs = c.channelsIn / c.groups;
    const std::int64_t kh = c.kernelHeight, kw = c.kernelWidth;
    const Dims sizes =
        c.groups > 1 ? Dims{c.groups, outputs, inputs, kh, kw} : Dims{c.channelsOut, inputs, kh, kw};
    x = {{c.batch, c.channelsIn, c.height, c.width}, dnnlType(c.inputType), nhwc};
    filter = {sizes, dnnlType(c.inputType), any};
    if (c.bias) bias = {{c.channelsOut}, memory::data_type::f32, memory::format_tag::a};
    y = {{c.batch, c.channelsOut, c.outputHeight, c.outputWidth}, dnnlType(c.outputType), nhwc};
    // Below the padding and right of it the window may end inside: oneDNN wants the amount that it really
    // covers.
    const auto covered = [&](std::int64_t output, std::int64_t kernel, std::int64_t input) {
      return (output - 1) * c.stride + (kernel - 1) * c.dilation + 1 - input - c.padding;
    };
    after = {covered(c.outputHeight, kh, c.height), covered(c.outputWidth, kw, c.width)};
  }
};

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

DnnlKernel makeConvolution(const Convolution& c) {
  const Geometry g(c);
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, kDirect, g.x, g.filter,
                                             g.bias, g.y, g.strides, g.dilations, g.before, g.after);
  const dnnl::convolution_forward::primitive_desc chosen(desc, epilogue(c), dnnlEngine());
  return {dnnl::convolution_forward(chosen),
          g.x,
          chosen.weights_desc(),
          g.bias,
          g.y,
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

dnnl::primitive_attr userScratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// oneDNN wants to see the forward pass of what it differentiates.
dnnl::convolution_forward::primitive_desc forwardOf(const Geometry& g) {
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_training, kDirect, g.x, g.filter, g.y,
                                             g.strides, g.dilations, g.before, g.after);
  return {desc, dnnlEngine()};
}

DnnlKernel makeInputGradient(const Convolution& c) {
  const Geometry g(c);
  const dnnl::convolution_backward_data::desc desc(kDirect, g.x, g.filter, g.y, g.strides, g.dilations,
                                                   g.before, g.after);
  const dnnl::convolution_backward_data::primitive_desc chosen(desc, userScratchpad(), dnnlEngine(),
                                                               forwardOf(g));
  return {dnnl::convolution_backward_data(chosen),
          g.x,
          chosen.weights_desc(),
          {},
          g.y,
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

DnnlKernel makeFilterGradient(const Convolution& c) {
  const Geometry g(c);
  const dnnl::convolution_backward_weights::desc desc(kDirect, g.x, g.filter, g.y, g.strides, g.dilations,
                                                      g.before, g.after);
  const dnnl::convolution_backward_weights::primitive_desc chosen(desc, userScratchpad(), dnnlEngine(),
                                                                  forwardOf(g));
  return {dnnl::convolution_backward_weights(chosen),
          g.x,
          chosen.diff_weights_desc(),
          {},
          g.y,
          chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

DnnlKernel makeMatmul(const Convolution& c, std::int64_t pixels, const DnnlKernel* sharesFilterWith) {
  const auto rows = memory::format_tag::ab;
  const memory::desc x({pixels, c.channelsIn}, dnnlType(c.inputType), rows);
  const memory::desc y({pixels, c.channelsOut}, dnnlType(c.outputType), rows);
  const memory::desc filter({c.channelsIn, c.channelsOut}, dnnlType(c.inputType), memory::format_tag::any);
  const memory::desc bias =
      c.bias ? memory::desc({1, c.channelsOut}, memory::data_type::f32, rows) : memory::desc();
  const dnnl::matmul::desc desc(x, sharesFilterWith ? sharesFilterWith->filter : filter, bias, y);
  const dnnl::matmul::primitive_desc chosen(desc, epilogue(c), dnnlEngine());
  return {dnnl::matmul(chosen),  x, chosen.weights_desc(), bias, y, chosen.scratchpad_desc(),
          chosen.impl_info_str()};
}

/// Primitives by what they compute. Emptied when full, which costs time alone: prepared steps own theirs.
template <class Key>
class KernelCache {
 public:
  std::shared_ptr<const DnnlKernel> get(const Key& key, int threads,
                                        const std::function<DnnlKernel()>& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = kernels_.find(key); found != kernels_.end()) return found->second;
    if (kernels_.size() >= kCapacity) kernels_.clear();
    const ThreadScope scope(threads);
    try {
      return kernels_.emplace(key, std::make_shared<const DnnlKernel>(make())).first->second;
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
      const bool bfloat16 = std::get<Convolution>(key).inputType == DataType::bfloat16;
      throw Error("UNSUPPORTED", std::string("oneDNN has no ") + (bfloat16 ? "bfloat16" : "such") +
                                     " convolution on this processor");
    }
  }

 private:
  static constexpr std::size_t kCapacity = 4096;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const DnnlKernel>> kernels_;
};

}  // namespace

std::shared_ptr<const DnnlKernel> convolutionKernel(const Convolution& convolution, int threads) {
  static KernelCache<std::tuple<Convolution, int>> cache;
  return cache.get({convolution, threads}, threads, [&] { return makeConvolution(convolution); });
}

std::shared_ptr<const DnnlKernel> inputGradientKernel(const Convolution& convolution, int threads) {
  static KernelCache<std::tuple<Convolution, int>> cache;
  return cache.get({convolution, threads}, threads, [&] { return makeInputGradient(convolution); });
}

std::shared_ptr<const DnnlKernel> filterGradientKernel(const Convolution& convolution, int threads) {
  static KernelCache<std::tuple<Convolution, int>> cache;
  return cache.get({convolution, threads}, threads, [&] { return makeFilterGradient(convolution); });
}

std::shared_ptr<const DnnlKernel> matmulKernel(const Convolution& convolution, std::int64_t pixels,
                                               int threads, const DnnlKernel* sharesFilterWith) {
  static KernelCache<std::tuple<Convolution, std::int64_t, int, std::string>> cache;
  const std::string layout = sharesFilterWith ? layoutName(sharesFilterWith->filter) : "any";
  return cache.get({convolution, pixels, threads, layout}, threads,
                   [&] { return makeMatmul(convolution, pixels, sharesFilterWith); });
}

}  // namespace ocrnet::cpu::conv

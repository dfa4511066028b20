#include "cpu/dnnl/context.h"

#include <omp.h>

#include "core/error.h"

namespace ocrnet::cpu {

const dnnl::engine& dnnlEngine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& dnnlStream() {
  static thread_local dnnl::stream stream(dnnlEngine());
  return stream;
}

ThreadScope::ThreadScope(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
ThreadScope::~ThreadScope() { omp_set_num_threads(before_); }

dnnl::memory::data_type dnnlType(DataType type) {
  switch (type) {
    case DataType::float32:
      return dnnl::memory::data_type::f32;
    case DataType::bfloat16:
      return dnnl::memory::data_type::bf16;
    case DataType::int32:
      return dnnl::memory::data_type::s32;
    case DataType::uint8:
      return dnnl::memory::data_type::u8;
    case DataType::float16:
    case DataType::uint16:
      break;
  }
  throw Error("UNSUPPORTED", "oneDNN is used for neither float16 nor uint16");
}

std::string layoutName(const dnnl::memory::desc& layout) {
  const dnnl_memory_desc_t& desc = layout.data;
  const dnnl_blocking_desc_t& blocking = desc.format_desc.blocking;
  std::string name = "type " + std::to_string(desc.data_type);
  const auto append = [&name](const char* label, const dnnl_dim_t* values, int count) {
    name += label;
    for (int i = 0; i < count; ++i) name += ' ' + std::to_string(values[i]);
  };
  append(", dims", desc.dims, desc.ndims);
  append(", padded", desc.padded_dims, desc.ndims);
  append(", strides", blocking.strides, desc.ndims);
  append(", blocks", blocking.inner_blks, blocking.inner_nblks);
  append(" of", blocking.inner_idxs, blocking.inner_nblks);
  return name;
}

}  // namespace ocrnet::cpu

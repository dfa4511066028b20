#pragma once

#include <dnnl.hpp>
#include <string>

#include "plan/plan.h"

namespace ocrnet::cpu {

/// The processor, as oneDNN knows it: one for the process.
const dnnl::engine& dnnlEngine();

/// The calling thread's queue. On the processor primitives have run when execute returns.
dnnl::stream& dnnlStream();

/// Makes OpenMP, and so oneDNN, use this many threads in the calling thread until the end of the scope.
/// oneDNN cuts a primitive's work and its scratch memory for the number of threads at its creation, so that
/// it must run with as many.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

dnnl::memory::data_type dnnlType(DataType type);

/// The text of a layout: equal for two descriptors exactly if the same bytes mean the same tensor.
std::string layoutName(const dnnl::memory::desc& layout);

}  // namespace ocrnet::cpu

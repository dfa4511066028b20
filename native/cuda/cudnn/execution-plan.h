#pragma once

#include <vector>

#include "cuda/cudnn/convolution.h"
#include "cuda/cudnn/descriptor.h"

namespace ocrnet::cuda::cudnn {

/// Where a convolution's tensors and its workspace lie on the GPU.
struct Pointers {
  const void *x, *filter, *y;  // one of them is written
  void* workspace;
};

/// A convolution by one of cuDNN's engines: the first that its heuristics name, fastest first, that computes
/// what is wanted.
class ExecutionPlan {
 public:
  /// Throws Error("UNSUPPORTED") where cuDNN has no engine for it: one that is deterministic, multiplies and
  /// adds no less precisely than our kernels, and needs no more workspace than kMostWorkspaceBytes.
  ExecutionPlan(const Library& library, Handle handle, const Convolution& convolution);

  std::size_t workspaceBytes() const { return workspaceBytes_; }
  /// Into the handle's stream.
  void execute(Handle handle, const Pointers& pointers) const;

  /// It becomes part of the arena that all plans share.
  static constexpr std::int64_t kMostWorkspaceBytes = std::int64_t{256} << 20;

 private:
  RawDescriptor keep(Descriptor descriptor);
  RawDescriptor describeTensor(const Tensor& tensor, std::int64_t id);
  RawDescriptor describeWindow(const Convolution& convolution);
  RawDescriptor describeOperation(const Convolution& convolution);

  const Library& library_;
  std::vector<Descriptor> kept_;  // what others refer to, and the plan itself, the last
  std::size_t workspaceBytes_ = 0;
};

}  // namespace ocrnet::cuda::cudnn

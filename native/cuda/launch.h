#pragma once

// The one place where kernels are started, on a GPU or in the emulation of one.

#include <cuda_runtime.h>

#include <cstddef>

#include "cuda/check.h"
#ifdef OCRNET_EMULATION
#include "emulation/launch.h"
#endif

namespace ocrnet::cuda {

struct LaunchShape {
  dim3 blocks;
  unsigned threads;
  std::size_t sharedBytes = 0;
  unsigned clusterBlocks = 1;  // neighbours along x that run together; more than one on 9.0 and newer
};

/// Starts kernel(arguments...) in the order of the stream. Throws Error("EXECUTION_FAILED").
template <auto kernel, class... Parameters>
void launchAs(void (*)(Parameters...), const LaunchShape& shape, cudaStream_t stream,
              Parameters... arguments) {
#ifdef OCRNET_EMULATION
  static const std::string name = emulation::kernelName(__PRETTY_FUNCTION__);
  emulation::launchGrid({name.c_str(), shape.blocks, dim3(shape.threads), shape.sharedBytes,
                         shape.clusterBlocks, [=] { kernel(arguments...); }},
                        stream);
#else
  constexpr std::size_t kAlwaysThere = 48 * 1024;  // more is to be asked for
  if (shape.sharedBytes > kAlwaysThere) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shape.sharedBytes)));
  }
  if (shape.clusterBlocks > 1) {
    cudaLaunchAttribute cluster{};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {shape.clusterBlocks, 1, 1};
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = shape.blocks;
    configuration.blockDim = dim3(shape.threads);
    configuration.dynamicSmemBytes = shape.sharedBytes;
    configuration.stream = stream;
    configuration.attrs = &cluster;
    configuration.numAttrs = 1;
    check(cudaLaunchKernelEx(&configuration, kernel, arguments...));
    return;
  }
  kernel<<<shape.blocks, shape.threads, shape.sharedBytes, stream>>>(arguments...);
#endif
  check(cudaGetLastError());
}

/// The same, with arguments that convert to the kernel's parameters.
template <auto kernel, class... Arguments>
void launch(const LaunchShape& shape, cudaStream_t stream, const Arguments&... arguments) {
  [&]<class... Parameters>(void (*function)(Parameters...)) {
    launchAs<kernel>(function, shape, stream, Parameters(arguments)...);
  }(kernel);
}

}  // namespace ocrnet::cuda

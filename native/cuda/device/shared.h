#pragma once

#include <cuda_runtime.h>

namespace ocrnet::cuda {

/// The block's shared memory, of which the launch asks for sizeof(T) bytes or more. Not initialised. It
/// begins where the copy engine's swizzled boxes may.
template <class T>
__device__ __forceinline__ T& sharedMemory() {
#ifdef OCRNET_EMULATION
  return *reinterpret_cast<T*>(emulation::Block::current().shared());
#else
  extern __shared__ __align__(1024) unsigned char sharedBytes[];
  return *reinterpret_cast<T*>(sharedBytes);
#endif
}

}  // namespace ocrnet::cuda

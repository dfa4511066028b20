#pragma once

// How kernels are started where there is no GPU.

#include <functional>
#include <string>
#include <utility>

#include "emulation/block.h"
#include "emulation/include/cuda_runtime.h"

namespace ocrnet::emulation {

/// Puts a grid into a stream. One that cannot be launched is a fault at once.
void launchGrid(Launch launch, cudaStream_t stream);

/// The name of a kernel from that of a function that has it as its template's argument.
std::string kernelName(const char* prettyFunction);

/// Threads of all kernels so far.
std::uint64_t threadsRun();

}  // namespace ocrnet::emulation

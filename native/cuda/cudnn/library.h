#pragma once

// cuDNN as a library that the user may have: it is neither linked nor needed.

#include <memory>
#include <string>

#include "cuda/cudnn/api.h"

namespace ocrnet::cuda::cudnn {

struct Library {
  Functions functions;
  std::string version;  // "9.6.0"
};

/// Throws Error("UNSUPPORTED") with the reason: there is no such library, it is of another version, or it
/// lacks a function. Once open, a library stays.
std::unique_ptr<const Library> openLibrary(const std::string& path);

/// What was found, or why there is nothing.
struct Found {
  std::string path;        // that was looked for
  const Library* library;  // or null
  std::string reason;      // where it is null
};

/// The library that the environment's OCRNET_CUDNN names, or libcudnn.so.9 where the system's loader finds
/// one; none where OCRNET_CUDNN is empty. Each is looked for once. On any thread.
const Found& findLibrary();

/// Throws Error where a call has failed, with cuDNN's words: UNSUPPORTED where cuDNN says so, else
/// EXECUTION_FAILED.
void check(const Library& library, Status status, const char* what);

}  // namespace ocrnet::cuda::cudnn

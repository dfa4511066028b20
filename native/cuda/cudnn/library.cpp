#include "cuda/cudnn/library.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "core/error.h"
#ifdef OCRNET_EMULATION
#include "emulation/lend-streams.h"
#endif

namespace ocrnet::cuda::cudnn {

namespace {

constexpr const char* kDefaultPath = "libcudnn.so.9";

/// A library that is being opened: closed again unless it is kept.
class Opened {
 public:
  explicit Opened(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (!handle_) throw Error("UNSUPPORTED", dlerror());
  }
  ~Opened() {
    if (handle_) dlclose(handle_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  template <class Function>
  void find(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(dlsym(handle_, name));
    if (!function) throw Error("UNSUPPORTED", std::string("the library has no ") + name);
  }
  void keep() {
#ifdef OCRNET_EMULATION
    if (!emulation::lendStreams(handle_))
      throw Error("UNSUPPORTED", "the library wants a GPU, and this one is emulated");
#endif
    handle_ = nullptr;
  }

 private:
  void* handle_;
};

/// cuDNN opens cuBLAS when a plan first asks for it, and ends the process where there is none. It finds it
/// where the system's loader does, and beside itself as Python's packages lie.
[[maybe_unused]] void requireBlas(const Opened& opened, std::size_t (*inLibrary)()) {
  std::size_t (*getCudartVersion)() = nullptr;
  opened.find(getCudartVersion, "cudnnGetCudartVersion");
  const std::string major = std::to_string(getCudartVersion() / 1000);  // 13000 is 13.0
  const std::string name = "libcublasLt.so." + major;
  std::vector<std::string> places{name};
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(inLibrary), &info)) {
    const std::string path = info.dli_fname, folder = path.substr(0, path.rfind('/') + 1);
    for (const std::string& beside :
         {std::string(), std::string("../../cublas/lib/"), "../../cu" + major + "/lib/"}) {
      places.push_back(folder + beside + name);
    }
  }
  for (const std::string& place : places) {
    if (dlopen(place.c_str(), RTLD_LAZY | RTLD_LOCAL)) return;
  }
  throw Error("UNSUPPORTED", "it wants cuBLAS, whose " + name + " is not found");
}

struct Version {
  std::size_t major, minor, patch;

  /// Since 9.0 cuDNN writes 90600 for 9.6.0, before it wrote 8907 for 8.9.7.
  explicit Version(std::size_t number) {
    const std::size_t thousands = number >= 90000 ? 10000 : 1000;
    major = number / thousands;
    minor = number % thousands / 100;
    patch = number % 100;
  }
  std::string text() const {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
};

Found find(const std::string& path) {
  if (path.empty()) return {path, nullptr, "OCRNET_CUDNN is empty, which is to do without cuDNN"};
  try {
    return {path, openLibrary(path).release(), ""};
  } catch (const Error& error) {
    return {path, nullptr, error.what()};
  }
}

}  // namespace

std::unique_ptr<const Library> openLibrary(const std::string& path) {
  Opened opened(path);
  Functions f{};
  opened.find(f.getVersion, "cudnnGetVersion");
  const Version version(f.getVersion());
  if (version.major != kMajorVersion) {
    throw Error("UNSUPPORTED",
                "expected cuDNN " + std::to_string(kMajorVersion) + ", received cuDNN " + version.text());
  }
  opened.find(f.getErrorString, "cudnnGetErrorString");
  opened.find(f.getLastErrorString, "cudnnGetLastErrorString");
  opened.find(f.create, "cudnnCreate");
  opened.find(f.setStream, "cudnnSetStream");
  opened.find(f.backendCreateDescriptor, "cudnnBackendCreateDescriptor");
  opened.find(f.backendDestroyDescriptor, "cudnnBackendDestroyDescriptor");
  opened.find(f.backendSetAttribute, "cudnnBackendSetAttribute");
  opened.find(f.backendGetAttribute, "cudnnBackendGetAttribute");
  opened.find(f.backendFinalize, "cudnnBackendFinalize");
  opened.find(f.backendExecute, "cudnnBackendExecute");
#ifndef OCRNET_EMULATION
  requireBlas(opened, f.getVersion);
#endif
  opened.keep();
  return std::make_unique<const Library>(Library{f, version.text()});
}

const Found& findLibrary() {
  // Never destroyed: other threads may use cuDNN while the process ends.
  static auto& mutex = *new std::mutex;
  static auto& known = *new std::map<std::string, Found>;
  const std::lock_guard lock(mutex);
  const char* const named = std::getenv("OCRNET_CUDNN");
  const std::string path = named ? named : kDefaultPath;
  const auto at = known.find(path);
  return at != known.end() ? at->second : known.emplace(path, find(path)).first->second;
}

void check(const Library& library, Status status, const char* what) {
  if (status == Status::success) return;
  std::array<char, 512> details{};
  library.functions.getLastErrorString(details.data(), details.size() - 1);
  std::string text = std::string("cuDNN: ") + what + ": " + library.functions.getErrorString(status);
  if (details.front()) text += std::string(", ") + details.data();
  const bool isUnsupported = static_cast<std::uint32_t>(status) / 1000 == kNotSupported;
  throw Error(isUnsupported ? "UNSUPPORTED" : "EXECUTION_FAILED", text);
}

}  // namespace ocrnet::cuda::cudnn

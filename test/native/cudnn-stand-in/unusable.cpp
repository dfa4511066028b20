// Stands in, in the tests, for libraries that cannot be used as cuDNN: all that is there is a version.

#include <cstddef>

extern "C" __attribute__((visibility("default"))) std::size_t cudnnGetVersion() { return CUDNN_VERSION; }

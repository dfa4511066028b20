#include "cpu/isa.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace ocrnet::cpu {

namespace {

Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // What the compiler's flags for each set in native/CMakeLists.txt allow it to use.
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx2 && avx512) return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::portable;
}

Isa limit() {
  const char* const name = std::getenv("OCRNET_MAX_CPU_ISA");
  for (const Isa isa : {Isa::portable, Isa::avx2}) {
    if (name != nullptr && std::string_view(name) == isaName(isa)) return isa;
  }
  return Isa::avx512;
}

}  // namespace

Isa bestIsa() {
  static const Isa best = std::min(detect(), limit());
  return best;
}

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::portable:
      break;
  }
  return "portable";
}

}  // namespace ocrnet::cpu

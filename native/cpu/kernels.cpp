#include "cpu/kernels/kernels.h"

namespace ocrnet::cpu {

namespace portable {
extern const Kernels kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
#endif

const Kernels& kernelsFor(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx512:
      return avx512::kernels;
    case Isa::avx2:
      return avx2::kernels;
#endif
    default:
      return portable::kernels;
  }
}

}  // namespace ocrnet::cpu

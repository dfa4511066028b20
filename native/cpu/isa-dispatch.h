#pragma once

// For the sources that pick a package's kernels: those named kernels.cpp, beside a folder kernels/.

#include "cpu/isa.h"

#if defined(__x86_64__)
#define OCRNET_EACH_ISA(use) use(portable) use(avx2) use(avx512)
#else
#define OCRNET_EACH_ISA(use) use(portable)
#endif

#define OCRNET_DECLARE_KERNELS(isa) \
  namespace isa {                   \
  extern const Kernels kernels;     \
  }
#define OCRNET_KERNELS_CASE(isa) \
  case Isa::isa:                 \
    return isa::kernels;

/// Defines kernelsFor in the package's namespace, from the table that kernels/table.cpp defines for each
/// instruction set.
#define OCRNET_DEFINE_KERNELS_FOR                \
  OCRNET_EACH_ISA(OCRNET_DECLARE_KERNELS)        \
  const Kernels& kernelsFor(Isa isa) {           \
    switch (isa) {                               \
      OCRNET_EACH_ISA(OCRNET_KERNELS_CASE)       \
      default:                                   \
        break; /* this processor has one only */ \
    }                                            \
    return portable::kernels;                    \
  }

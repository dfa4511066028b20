#pragma once

// One vector of floats, `Vec`, in the instructions that this file is compiled with. Included only by sources
// that are compiled once for each instruction set; everything is in the namespace OCRNET_ISA, so that the
// linker never merges a function of one set with that of another.

#ifndef OCRNET_ISA
#error "OCRNET_ISA must name the instruction set's namespace: portable, avx2 or avx512"
#endif

#if defined(__AVX512F__)
#include "cpu/simd-avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "cpu/simd-avx2.h"
#else
#include "cpu/simd-portable.h"
#endif

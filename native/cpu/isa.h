#pragma once

namespace ocrnet::cpu {

/// The instruction sets for which kernels are compiled. The same source is compiled once for each, with
/// OCRNET_ISA naming the namespace (portable, avx2, avx512) and the compiler's flags giving the instructions.
enum class Isa { portable, avx2, avx512 };

/// The best of them that this processor and its operating system run, found once. The environment variable
/// OCRNET_MAX_CPU_ISA (portable, avx2) lowers it, to test and to compare.
Isa bestIsa();

const char* isaName(Isa isa);

}  // namespace ocrnet::cpu

#pragma once

// The instructions of cuda/device/mma.h: all lanes of a warp meet, the last to come computes for all.

#include <cstdint>

namespace ocrnet::emulation {

void loadMatrices(std::uint32_t (&registers)[4], const void* row, bool transposed);
/// Of BFloat16 or Float16.
template <class T>
void multiplyAdd(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void multiplyAddTf32(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);

}  // namespace ocrnet::emulation

#include "emulation/matrix.h"

#include <bit>
#include <cstring>

#include "core/bfloat16.h"
#include "core/float16.h"
#include "emulation/block.h"

namespace ocrnet::emulation {

namespace {

constexpr int kMatrices = 4, kMatrixRows = 8, kRowBytes = 16;
constexpr int kRows = 16, kColumns = 8;  // of a product

struct MatrixLoad {
  std::uint32_t* registers;
  const std::byte* row;
};

void load(void** operands, bool transposed) {
  const auto lane = [&](int i) -> MatrixLoad& { return *static_cast<MatrixLoad*>(operands[i]); };
  for (int matrix = 0; matrix < kMatrices; ++matrix) {
    std::uint16_t elements[kMatrixRows][kMatrixRows];
    for (int row = 0; row < kMatrixRows; ++row) {
      std::memcpy(elements[row], lane(matrix * kMatrixRows + row).row, kRowBytes);
    }
    for (int i = 0; i < static_cast<int>(kWarpThreads); ++i) {
      const int g = i / 4, t = i % 4;
      const std::uint16_t low = transposed ? elements[2 * t][g] : elements[g][2 * t];
      const std::uint16_t high = transposed ? elements[2 * t + 1][g] : elements[g][2 * t + 1];
      lane(i).registers[matrix] = low | static_cast<std::uint32_t>(high) << 16;
    }
  }
}

struct Product {
  float* c;
  const std::uint32_t *a, *b;
};

/// `elements` of the depth in a register, which read(register, element) gives.
template <int elements, class Read>
void multiply(void** operands, const Read& read) {
  constexpr int kDepth = 8 * elements;
  float a[kRows][kDepth], b[kDepth][kColumns], c[kRows][kColumns];
  for (int i = 0; i < static_cast<int>(kWarpThreads); ++i) {
    const Product& lane = *static_cast<const Product*>(operands[i]);
    const int g = i / 4, t = i % 4;
    for (int half = 0; half < 2; ++half) {
      for (int e = 0; e < elements; ++e) {
        const int depth = half * kDepth / 2 + t * elements + e;
        a[g][depth] = read(lane.a[2 * half], e);
        a[g + 8][depth] = read(lane.a[2 * half + 1], e);
        b[depth][g] = read(lane.b[half], e);
      }
      for (int e = 0; e < 2; ++e) c[g + 8 * half][2 * t + e] = lane.c[2 * half + e];
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int k = 0; k < kDepth; ++k) {
      for (int j = 0; j < kColumns; ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  for (int i = 0; i < static_cast<int>(kWarpThreads); ++i) {
    const Product& lane = *static_cast<const Product*>(operands[i]);
    for (int half = 0; half < 2; ++half) {
      for (int e = 0; e < 2; ++e) lane.c[2 * half + e] = c[i / 4 + 8 * half][2 * (i % 4) + e];
    }
  }
}

void multiplyTogether(Product product, const char* operation, void (*execute)(void**)) {
  Block::current().warp(~0u, &product, operation, execute);
}

}  // namespace

void loadMatrices(std::uint32_t (&registers)[4], const void* row, bool transposed) {
  const char* const operation = transposed ? "ldmatrix.trans" : "ldmatrix";
  Block::current().requireShared(row, kRowBytes, kRowBytes, operation);
  MatrixLoad operand{registers, static_cast<const std::byte*>(row)};
  Block::current().warp(~0u, &operand, operation, [=](void** operands) { load(operands, transposed); });
}

template <class T>
void multiplyAdd(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  multiplyTogether({c, a, b}, "mma.m16n8k16", [](void** operands) {
    multiply<2>(operands, [](std::uint32_t bits, int element) {
      return toFloat(T{static_cast<std::uint16_t>(bits >> 16 * element)});
    });
  });
}
template void multiplyAdd<BFloat16>(float (&)[4], const std::uint32_t (&)[4], const std::uint32_t (&)[2]);
template void multiplyAdd<Float16>(float (&)[4], const std::uint32_t (&)[4], const std::uint32_t (&)[2]);

void multiplyAddTf32(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  multiplyTogether({c, a, b}, "mma.m16n8k8", [](void** operands) {
    multiply<1>(operands, [](std::uint32_t bits, int) { return std::bit_cast<float>(bits & 0xffffe000); });
  });
}

}  // namespace ocrnet::emulation

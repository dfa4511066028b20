#pragma once

// The functions that CUDA gives to kernels: those that threads meet in, and fast arithmetic.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <source_location>

#include "emulation/block.h"

inline void __syncthreads(std::source_location place = std::source_location::current()) {
  ocrnet::emulation::Block::current().synchronise(place);
}

inline void __syncwarp(unsigned mask = ~0u) {
  ocrnet::emulation::Block::current().warp(mask, nullptr, "__syncwarp", [](void**) {});
}

namespace ocrnet::emulation {

/// Each lane of `mask` gets the value of the lane that it names, which must be one of them.
template <class T>
T shuffle(unsigned mask, T value, int source, const char* operation) {
  struct Operand {
    T given, received;
    int source;
  } operand{value, value, source};
  Block::current().warp(mask, &operand, operation, [mask, operation](void** operands) {
    for (unsigned lane = 0; lane < kWarpThreads; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      auto& mine = *static_cast<Operand*>(operands[lane]);
      if ((mask >> mine.source & 1) == 0) {
        Block::current().fault(std::string(operation) + ": reads lane " + std::to_string(mine.source) +
                               ", which its mask lacks");
      }
      mine.received = static_cast<const Operand*>(operands[mine.source])->given;
    }
  });
  return operand.received;
}

inline int lane() { return static_cast<int>(Block::current().lane()); }

}  // namespace ocrnet::emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const int lane = ocrnet::emulation::lane();
  return ocrnet::emulation::shuffle(mask, value, lane / width * width + (source & (width - 1)),
                                    "__shfl_sync");
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const int lane = ocrnet::emulation::lane(), source = lane ^ bits;
  return ocrnet::emulation::shuffle(mask, value, source / width == lane / width ? source : lane,
                                    "__shfl_xor_sync");
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32) {
  const int lane = ocrnet::emulation::lane(), source = lane + static_cast<int>(distance);
  return ocrnet::emulation::shuffle(mask, value, source / width == lane / width ? source : lane,
                                    "__shfl_down_sync");
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32) {
  const int lane = ocrnet::emulation::lane(), source = lane - static_cast<int>(distance);
  return ocrnet::emulation::shuffle(mask, value, source >= lane / width * width ? source : lane,
                                    "__shfl_up_sync");
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  struct Operand {
    bool given;
    unsigned votes;
  } operand{predicate != 0, 0};
  ocrnet::emulation::Block::current().warp(mask, &operand, "__ballot_sync", [mask](void** operands) {
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; ++lane) {
      if (mask >> lane & 1) votes |= unsigned{static_cast<Operand*>(operands[lane])->given} << lane;
    }
    for (unsigned lane = 0; lane < 32; ++lane) {
      if (mask >> lane & 1) static_cast<Operand*>(operands[lane])->votes = votes;
    }
  });
  return operand.votes;
}

inline std::uint64_t __umul64hi(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline int __float2int_rd(float x) { return static_cast<int>(std::floor(x)); }

// Of integers alone: sums of floats would depend on the order in which threads come.
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  return std::atomic_ref(*address).fetch_add(value);
}
inline unsigned long long atomicMin(unsigned long long* address, unsigned long long value) {
  std::atomic_ref shared(*address);
  unsigned long long before = shared;
  while (value < before && !shared.compare_exchange_weak(before, value)) {
  }
  return before;
}

template <class T>
T __ldg(const T* address) {
  return *address;
}
using std::max;
using std::min;

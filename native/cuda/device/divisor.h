#pragma once

// Places of elements are divided up into pixels, rows and images. A 64-bit division costs a GPU some hundred
// instructions, more than most kernels spend on an element; by a number that is known when the kernel is
// started, it is a multiplication and two shifts.

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>

namespace ocrnet::cuda {

/// Divides numbers from 0 to 2⁴⁰ − 1, which no tensor has more elements than.
class Divisor {
 public:
  /// By 1 to 2⁴⁰. On the host.
  explicit Divisor(std::int64_t value)
      : value_(value),
        shift_(std::bit_width(static_cast<std::uint64_t>(value - 1))),
        factor_(
            static_cast<std::uint64_t>((Wide{1} << (kBits + shift_)) / static_cast<std::uint64_t>(value)) +
            ((value & (value - 1)) != 0)) {}

  __device__ __forceinline__ std::int64_t value() const { return value_; }
  __device__ __forceinline__ std::int64_t quotient(std::int64_t x) const {
    return static_cast<std::int64_t>(__umul64hi(static_cast<std::uint64_t>(x) << (64 - kBits), factor_) >>
                                     shift_);
  }
  /// The quotient; x becomes the remainder.
  __device__ __forceinline__ std::int64_t split(std::int64_t& x) const {
    const std::int64_t result = quotient(x);
    x -= result * value_;
    return result;
  }

 private:
  using Wide = unsigned __int128;
  static constexpr int kBits = 40;

  std::int64_t value_;
  int shift_;
  // ⌈2^(40 + shift) / value⌉: too large by less than 2^shift / 2^(40 + shift) of itself, which no quotient of
  // 40 bits notices.
  std::uint64_t factor_;
};

}  // namespace ocrnet::cuda

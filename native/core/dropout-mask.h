#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace ocrnet {

/// The factors of a dropout: lib/ops/dropout.ts says what they are functions of. The same on all devices.
struct DropoutMask {
  std::uint32_t threshold, stream;
  float scale;  // of what is kept

  /// On the host. `rate` from 0 to below 1.
  DropoutMask(float rate, std::int32_t stream)
      : threshold(static_cast<std::uint32_t>(std::ceil(std::ldexp(static_cast<double>(rate), 32)))),
        stream(static_cast<std::uint32_t>(stream)),
        scale(static_cast<float>(1 / (1 - static_cast<double>(rate)))) {}

  /// The random words of the places 4 · quad to 4 · quad + 3 of a sample, which counts from the noise's
  /// first.
  constexpr std::array<std::uint32_t, 4> words(const std::int32_t* noise, std::int64_t sample,
                                               std::int64_t quad) const {
    return philox4x32({static_cast<std::uint32_t>(quad), ~stream,
                       static_cast<std::uint32_t>(noise[3]) + static_cast<std::uint32_t>(sample),
                       static_cast<std::uint32_t>(noise[2])},
                      {static_cast<std::uint32_t>(noise[0]), static_cast<std::uint32_t>(noise[1])});
  }
  constexpr float factor(std::uint32_t word) const { return word < threshold ? 0 : scale; }
};

}  // namespace ocrnet

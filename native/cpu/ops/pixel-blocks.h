#pragma once

#include <algorithm>

#include "core/integers.h"
#include "core/range.h"

namespace ocrnet::cpu {

/// A batch's pixels in blocks that lie within one image. They do not depend on the number of threads, so what
/// is computed by block and combined in the blocks' order does not either.
struct PixelBlocks {
  std::int64_t batch, imagePixels, blockPixels;

  std::int64_t perImage() const { return divideUp(imagePixels, blockPixels); }
  std::int64_t count() const { return batch * perImage(); }
  Range pixels(std::int64_t block) const {
    const std::int64_t image = block / perImage(), first = block % perImage() * blockPixels;
    return {image * imagePixels + first, image * imagePixels + std::min(first + blockPixels, imagePixels)};
  }
};

/// Blocks for sums that are too large to have many of them.
inline PixelBlocks fewBlocks(std::int64_t batch, std::int64_t imagePixels) {
  constexpr std::int64_t kMostBlocks = 32, kLeastPixels = 512;
  return {batch, imagePixels, std::max(kLeastPixels, divideUp(imagePixels, kMostBlocks))};
}

}  // namespace ocrnet::cpu

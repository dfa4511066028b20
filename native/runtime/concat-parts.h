#pragma once

#include <vector>

#include "runtime/step-description.h"

namespace ocrnet {

/// An input of a concat that is not yet in its place, in bytes.
struct ConcatPart {
  std::size_t input;
  std::int64_t bytes, stride, offset;  // of a pixel; from one pixel to the next; in the output's pixel
};

/// The compiler lets the producers of a concat write into its output where they can.
inline bool isInPlace(const TensorInfo& input, const TensorInfo& y, std::int64_t offset) {
  return input.storage == Storage::arena && y.storage == Storage::arena &&
         input.pixelStride == y.pixelStride && input.offset == y.offset + static_cast<std::uint64_t>(offset);
}

/// What is left to copy.
inline std::vector<ConcatPart> concatParts(const StepDescription& step) {
  const TensorInfo& y = *step.output(0);
  const std::int64_t elementBytes = bytesPerElement(y.dataType);
  std::vector<ConcatPart> parts;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < step.inputCount(); ++i) {
    const TensorInfo* const x = step.input(i);
    if (!x) continue;
    const std::int64_t bytes = x->channels() * elementBytes;
    if (!isInPlace(*x, y, offset)) parts.push_back({i, bytes, x->pixelStride * elementBytes, offset});
    offset += bytes;
  }
  return parts;
}

}  // namespace ocrnet

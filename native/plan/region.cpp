#include "plan/region.h"

#include <algorithm>

namespace ocrnet {

Region regionOf(const TensorInfo& tensor) {
  const std::int64_t size = bytesPerElement(tensor.dataType);
  return {static_cast<std::int64_t>(tensor.offset), tensor.pixelStride * size, tensor.channels() * size,
          tensor.pixels()};
}

bool overlap(const Region& a, const Region& b) {
  if (a.end() <= b.start || b.end() <= a.start) return false;
  if (a.contiguous() && b.contiguous()) return true;
  if (a.contiguous() || b.contiguous()) {
    // The contiguous bytes miss the other region's rows only between two of them.
    const Region& block = a.contiguous() ? a : b;
    const Region& rows = a.contiguous() ? b : a;
    if (block.start < rows.start) return true;
    const std::int64_t into = (block.start - rows.start) % rows.stride;
    return into < rows.width || into + (block.end() - block.start) > rows.stride;
  }
  if (a.stride != b.stride) return true;
  const std::int64_t distance = (b.start - a.start) % a.stride;
  const std::int64_t shift =
      distance < 0 ? distance + a.stride : distance;  // from a row of a to the next one of b
  return shift < a.width || shift + b.width > a.stride;
}

std::optional<RowPart> heldPart(const Region& whole, const Region& part) {
  if (part.contiguous() && part.start <= whole.start && whole.end() <= part.end())
    return RowPart{0, whole.width};
  // A part of a flat vector, whatever its own shape.
  if (whole.rows == 1 && part.contiguous() && whole.start <= part.start && part.end() <= whole.end()) {
    return RowPart{part.start - whole.start, part.end() - whole.start};
  }
  if (whole.stride != part.stride || whole.rows != part.rows) return std::nullopt;
  const std::int64_t shift = part.start - whole.start;
  const RowPart held{std::max<std::int64_t>(shift, 0), std::min(shift + part.width, whole.width)};
  if (held.first >= held.behind) return std::nullopt;
  return held;
}

}  // namespace ocrnet

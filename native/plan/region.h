#pragma once

#include <optional>

#include "plan/plan.h"

namespace ocrnet {

/// The bytes of the arena that a tensor or a step's scratch takes: rows of `width` bytes, `stride` bytes
/// apart.
struct Region {
  std::int64_t start, stride, width, rows;

  /// Behind the last byte.
  std::int64_t end() const { return start + (rows - 1) * stride + width; }
  bool contiguous() const { return rows == 1 || width == stride; }
};

/// Of a tensor in the arena: a row for each pixel.
Region regionOf(const TensorInfo& tensor);

/// Whether two regions share a byte. Slices of one wide tensor interleave without doing so. May answer true
/// where rows of different strides miss each other by luck.
bool overlap(const Region& a, const Region& b);

/// Bytes [first, behind) within each row.
struct RowPart {
  std::int64_t first, behind;
};

/// The part of each row of `whole` that `part` holds, where the two are slices of one wide tensor or of each
/// other. Nothing where they do not correspond row by row.
std::optional<RowPart> heldPart(const Region& whole, const Region& part);

}  // namespace ocrnet

#pragma once

#include "core/range.h"

namespace ocrnet {

/// Cell i of an adaptive pooling's axis: see lib/ops/adaptive-average-pool2d.ts. With sizes exchanged, the
/// cells that position i lies in.
inline Range cellOf(std::int64_t i, std::int64_t cells, std::int64_t size) {
  return {i * size / cells, ((i + 1) * size + cells - 1) / cells};
}

}  // namespace ocrnet

#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"

namespace ocrnet {

/// Labels (N, height, width): classes below `classes`, or `ignored`.
struct LabelMaps {
  std::int64_t height, width, classes;
  std::int32_t ignored;

  /// `pixel` counts over all pictures.
  [[noreturn]] void refuse(std::int64_t pixel, int label) const {
    const std::int64_t column = pixel % width, row = pixel / width;
    throw Error("INVALID_DATA", "expected labels below " + std::to_string(classes) + " or " +
                                    std::to_string(ignored) + ", which is ignored, received " +
                                    std::to_string(label) + " in row " + std::to_string(row % height) +
                                    ", column " + std::to_string(column) + " of picture " +
                                    std::to_string(row / height) + " of the batch");
  }
};

}  // namespace ocrnet

#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"

namespace ocrnet {

/// Labels (N, height, width): classes below `classes`, or `ignored`.
struct LabelMaps {
  std::int64_t height, width, classes;
  std::int32_t ignored;

  bool allows(int label) const { return label < classes || label == ignored; }

  /// Throws Error("INVALID_DATA") for the first label that is not allowed.
  template <class Label>
  void require(const Label* labels, std::int64_t count) const {
    bool wrong = false;
    for (std::int64_t i = 0; i < count; ++i) wrong |= !allows(labels[i]);  // without a branch: in vectors
    for (std::int64_t i = 0; wrong && i < count; ++i) {
      if (!allows(labels[i])) refuse(i, labels[i]);
    }
  }

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

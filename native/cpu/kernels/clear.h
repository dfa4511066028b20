#pragma once

#include <cstring>

#include "core/range.h"

namespace ocrnet::cpu::OCRNET_ISA {

/// Rows of pixels that are set to zero one after another, each shortly before something is added to it.
class ClearedRows {
 public:
  /// `rows` of an image whose first row starts at data.
  ClearedRows(float* data, std::int64_t width, std::int64_t channels, std::int64_t stride, Range rows)
      : data_(data), width_(width), channels_(channels), stride_(stride), rest_(rows) {}

  /// Those before row `end` are cleared from then on.
  void upTo(std::int64_t end) {
    for (; rest_.first < end && rest_.first < rest_.end; ++rest_.first) {
      float* const row = data_ + rest_.first * width_ * stride_;
      for (std::int64_t i = 0; i < width_; ++i) std::memset(row + i * stride_, 0, channels_ * sizeof(float));
    }
  }

 private:
  float* data_;
  std::int64_t width_, channels_, stride_;
  Range rest_;
};

/// body(image, rows) for each image that a range of rows, counted over a batch, touches; rows are the image's
/// own.
template <class Body>
void eachImage(Range rows, std::int64_t height, const Body& body) {
  for (std::int64_t row = rows.first; row < rows.end;) {
    const std::int64_t image = row / height, first = image * height;
    const std::int64_t end = first + height < rows.end ? first + height : rows.end;
    body(image, Range{row - first, end - first});
    row = end;
  }
}

}  // namespace ocrnet::cpu::OCRNET_ISA

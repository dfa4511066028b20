#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/aligned-buffer.h"

namespace ocrnet {

/// A form of a parameter that an operation reads in its stead.
struct Packing {
  std::string layout;  // names it: of one parameter, equal layouts are equal bytes
  std::size_t bytes;
  std::function<void(const float* values, std::byte* packed)> pack;
  std::function<void(const std::byte* packed, float* values)> unpack;  // null where packing loses bits
};

/// The parameters of a model, float32, shared by all plans of it; and what operations made of them.
///
/// A parameter is held once where it can be: when a packed form of it that can be turned back exists, its
/// values are freed, and made anew for whoever asks. Networks are hundreds of megabytes of filters, of which
/// nothing but the packed form is read.
class Weights {
 public:
  using Buffer = std::shared_ptr<const AlignedBuffer>;

  /// Copies a tensor in. Throws Error("INVALID_WEIGHTS") where the name is taken or shape and data do not
  /// fit.
  void set(const std::string& name, std::vector<std::int64_t> shape, std::span<const float> data);

  /// Throws Error("INVALID_WEIGHTS") where there is none of this name and shape; so do the others.
  void require(const std::string& name, std::span<const std::int64_t> shape);

  /// The values, in the order of the shape.
  Buffer values(const std::string& name, std::span<const std::int64_t> shape);

  /// Made once for each layout and kept as long as the weights.
  Buffer packed(const std::string& name, std::span<const std::int64_t> shape, const Packing& packing);

  /// Bytes held, packed forms included.
  std::size_t bytes() const;

 private:
  struct PackedForm {
    Buffer buffer;
    std::function<void(const std::byte* packed, float* values)> unpack;
  };
  struct Tensor {
    std::vector<std::int64_t> shape;
    std::size_t bytes;
    Buffer values;                             // null where a packed form stands for them
    std::map<std::string, PackedForm> packed;  // by layout
  };

  /// With the mutex held.
  Tensor& find(const std::string& name, std::span<const std::int64_t> shape);

  mutable std::mutex mutex_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace ocrnet

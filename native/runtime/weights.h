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

/// The parameters of a model, float32, shared by all plans of it; and what operations made of them (packed
/// filters).
class Weights {
 public:
  /// Copies a tensor in. Throws Error("INVALID_WEIGHTS") where the name is taken or shape and data do not
  /// fit.
  void set(const std::string& name, std::vector<std::int64_t> shape, std::span<const float> data);

  /// Throws Error("INVALID_WEIGHTS") where there is none of this name and shape.
  const float* get(const std::string& name, std::span<const std::int64_t> shape) const;

  /// A reordered form of a parameter, made once for each key and kept as long as the weights.
  std::shared_ptr<const AlignedBuffer> packed(const std::string& name, const std::string& key,
                                              const std::function<AlignedBuffer()>& make);

  /// Bytes held, packed forms included.
  std::size_t bytes() const;

 private:
  struct Tensor {
    std::vector<std::int64_t> shape;
    AlignedBuffer data;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const AlignedBuffer>> packed_;
};

}  // namespace ocrnet

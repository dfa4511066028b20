#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "runtime/device-memory.h"
#include "runtime/weights.h"

namespace ocrnet::cuda {

/// A model's parameters in a GPU's memory, each in the forms that steps asked for. On the device's thread.
class Parameters {
 public:
  using Buffer = std::shared_ptr<std::byte>;

  Parameters(std::shared_ptr<Weights> weights, std::shared_ptr<DeviceMemory> memory)
      : weights_(std::move(weights)), memory_(std::move(memory)) {}

  /// Throw Error("INVALID_WEIGHTS") where there is none of this name and shape.
  void require(const std::string& name, std::span<const std::int64_t> shape) {
    weights_->require(name, shape);
  }
  /// The float32 values, in the order of the shape.
  Buffer values(const std::string& name, std::span<const std::int64_t> shape);
  /// A form that `pack` makes of the values on the processor; equal layouts of a parameter are equal bytes.
  Buffer packed(const std::string& name, std::span<const std::int64_t> shape, const std::string& layout,
                std::size_t bytes, const std::function<void(const float* values, std::byte* packed)>& pack);

  /// A table that a step made on the processor, for as long as the pointer is held.
  Buffer upload(std::span<const std::byte> bytes) const;

 private:
  Buffer& slot(const std::string& name, const std::string& layout) { return buffers_[{name, layout}]; }

  std::shared_ptr<Weights> weights_;
  std::shared_ptr<DeviceMemory> memory_;
  std::map<std::pair<std::string, std::string>, Buffer> buffers_;
};

}  // namespace ocrnet::cuda

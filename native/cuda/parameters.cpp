#include "cuda/parameters.h"

#include "core/aligned-buffer.h"

namespace ocrnet::cuda {

Parameters::Buffer Parameters::values(const std::string& name, std::span<const std::int64_t> shape) {
  Buffer& buffer = slot(name, "values");
  if (!buffer) {
    const Weights::Buffer values = weights_->values(name, shape);
    buffer = upload(std::span(values->data(), values->size()));
  }
  return buffer;
}

Parameters::Buffer Parameters::packed(
    const std::string& name, std::span<const std::int64_t> shape, const std::string& layout,
    std::size_t bytes, const std::function<void(const float* values, std::byte* packed)>& pack) {
  Buffer& buffer = slot(name, layout);
  if (!buffer) {
    const AlignedBuffer made(bytes);
    pack(weights_->values(name, shape)->as<float>(), made.data());
    buffer = upload(std::span(made.data(), bytes));
  }
  return buffer;
}

Parameters::Buffer Parameters::upload(std::span<const std::byte> bytes) const {
  Buffer buffer = memory_->allocateUninitialised(bytes.size());
  memory_->write(bytes, buffer.get());
  return buffer;
}

}  // namespace ocrnet::cuda

#include "runtime/weights.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace ocrnet {

namespace {

std::string formatShape(std::span<const std::int64_t> shape) {
  std::string text = "float32[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : "×") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

void Weights::set(const std::string& name, std::vector<std::int64_t> shape, std::span<const float> data) {
  std::size_t elements = 1;
  for (const std::int64_t size : shape) {
    // The quotient bounds the product: no shape is larger than its data.
    if (size <= 0 || elements > data.size() / static_cast<std::size_t>(size)) elements = 0;
    elements *= static_cast<std::size_t>(std::max<std::int64_t>(size, 0));
  }
  if (elements != data.size() || elements == 0) {
    throw Error("INVALID_WEIGHTS", "Weight \"" + name + "\": expected the elements of " + formatShape(shape) +
                                       ", received " + std::to_string(data.size()));
  }
  auto copy = std::make_shared<AlignedBuffer>(data.size_bytes());
  std::memcpy(copy->data(), data.data(), data.size_bytes());
  const std::lock_guard lock(mutex_);
  Tensor tensor{std::move(shape), data.size_bytes(), std::move(copy), {}};
  if (!tensors_.try_emplace(name, std::move(tensor)).second) {
    throw Error("INVALID_WEIGHTS", "Weight \"" + name + "\" was set before");
  }
}

void Weights::require(const std::string& name, std::span<const std::int64_t> shape) {
  const std::lock_guard lock(mutex_);
  find(name, shape);
}

Weights::Buffer Weights::values(const std::string& name, std::span<const std::int64_t> shape) {
  const std::lock_guard lock(mutex_);
  Tensor& tensor = find(name, shape);
  if (!tensor.values) {
    const auto lossless =
        std::ranges::find_if(tensor.packed, [](const auto& form) { return bool(form.second.unpack); });
    const auto made = std::make_shared<AlignedBuffer>(tensor.bytes);
    lossless->second.unpack(lossless->second.buffer->data(), made->as<float>());
    tensor.values = made;
  }
  return tensor.values;
}

Weights::Buffer Weights::packed(const std::string& name, std::span<const std::int64_t> shape,
                                const Packing& packing) {
  {
    const std::lock_guard lock(mutex_);
    const Tensor& tensor = find(name, shape);
    if (const auto found = tensor.packed.find(packing.layout); found != tensor.packed.end()) {
      return found->second.buffer;
    }
  }
  // Without the lock, since it takes long. Should another device have been faster, its buffer stays.
  const auto made = std::make_shared<AlignedBuffer>(packing.bytes);
  packing.pack(values(name, shape)->as<float>(), made->data());
  const std::lock_guard lock(mutex_);
  Tensor& tensor = find(name, shape);
  if (packing.unpack) tensor.values.reset();
  return tensor.packed.try_emplace(packing.layout, PackedForm{made, packing.unpack}).first->second.buffer;
}

std::size_t Weights::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) {
    if (tensor.values) bytes += tensor.bytes;
    for (const auto& [layout, form] : tensor.packed) bytes += form.buffer->size();
  }
  return bytes;
}

Weights::Tensor& Weights::find(const std::string& name, std::span<const std::int64_t> shape) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error("INVALID_WEIGHTS",
                "Weight \"" + name + "\": expected " + formatShape(shape) + ", received none of this name");
  }
  if (!std::ranges::equal(found->second.shape, shape)) {
    throw Error("INVALID_WEIGHTS", "Weight \"" + name + "\": expected " + formatShape(shape) + ", received " +
                                       formatShape(found->second.shape));
  }
  return found->second;
}

}  // namespace ocrnet

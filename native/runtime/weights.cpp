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
  AlignedBuffer copy(data.size_bytes());
  std::memcpy(copy.data(), data.data(), data.size_bytes());
  const std::lock_guard lock(mutex_);
  if (!tensors_.try_emplace(name, Tensor{std::move(shape), std::move(copy)}).second) {
    throw Error("INVALID_WEIGHTS", "Weight \"" + name + "\" was set before");
  }
}

const float* Weights::get(const std::string& name, std::span<const std::int64_t> shape) const {
  const std::lock_guard lock(mutex_);
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error("INVALID_WEIGHTS",
                "Weight \"" + name + "\": expected " + formatShape(shape) + ", received none of this name");
  }
  if (!std::ranges::equal(found->second.shape, shape)) {
    throw Error("INVALID_WEIGHTS", "Weight \"" + name + "\": expected " + formatShape(shape) + ", received " +
                                       formatShape(found->second.shape));
  }
  return found->second.data.as<float>();
}

std::shared_ptr<const AlignedBuffer> Weights::packed(const std::string& name, const std::string& key,
                                                     const std::function<AlignedBuffer()>& make) {
  const auto id = std::pair(name, key);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = packed_.find(id); found != packed_.end()) return found->second;
  }
  // Made without the lock, since `make` reads the weight. Should another device have been faster, its buffer
  // stays.
  auto made = std::make_shared<const AlignedBuffer>(make());
  const std::lock_guard lock(mutex_);
  return packed_.try_emplace(id, std::move(made)).first->second;
}

std::size_t Weights::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += tensor.data.size();
  for (const auto& [key, buffer] : packed_) bytes += buffer->size();
  return bytes;
}

}  // namespace ocrnet

#include "runtime/state.h"

#include <new>

#include "core/error.h"

namespace ocrnet {

void State::add(const std::string& name, std::uint64_t elements) {
  const std::string where = "Invalid state \"" + name + "\": ";
  constexpr std::uint64_t kMostElements = std::uint64_t{1} << 40;
  if (elements < 1 || elements > kMostElements) {
    throw Error("INVALID_ARGUMENT",
                where + "expected a number of elements from 1, received " + std::to_string(elements));
  }
  if (blocks_.contains(name)) throw Error("INVALID_ARGUMENT", where + "the name is taken");
  try {
    blocks_.emplace(name, Owned{memory_->allocate(elements * sizeof(float)), elements});
  } catch (const std::bad_alloc&) {
    throw Error("OUT_OF_MEMORY",
                where + "the device does not give " + std::to_string(elements * sizeof(float)) + " bytes");
  }
}

State::Block State::block(const std::string& name) const {
  const auto found = blocks_.find(name);
  if (found == blocks_.end()) {
    throw Error("INVALID_ARGUMENT", "State \"" + name + "\": expected a block of this name, received none");
  }
  return {found->second.data.get(), found->second.elements};
}

State::Block State::range(const std::string& name, std::uint64_t first, std::uint64_t count) const {
  const Block whole = block(name);
  if (first > whole.elements || count > whole.elements - first) {
    throw Error("INVALID_ARGUMENT", "State \"" + name + "\": expected elements within " +
                                        std::to_string(whole.elements) + ", received " +
                                        std::to_string(first) + " + " + std::to_string(count));
  }
  return {whole.data + first * sizeof(float), count};
}

void State::write(std::span<const float> from, const Block& to) const {
  memory_->write(std::as_bytes(from), to.data);
}

void State::read(const Block& from, std::span<float> to) const {
  memory_->read(from.data, std::as_writable_bytes(to));
}

std::size_t State::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, block] : blocks_) bytes += block.elements * sizeof(float);
  return bytes;
}

}  // namespace ocrnet

#include "runtime/state.h"

#include <cstring>

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
    AlignedBuffer buffer(elements * sizeof(float));
    std::memset(buffer.data(), 0, buffer.size());
    blocks_.emplace(name, std::move(buffer));
  } catch (const std::bad_alloc&) {
    throw Error("OUT_OF_MEMORY",
                where + "the system does not give " + std::to_string(elements * sizeof(float)) + " bytes");
  }
}

std::span<float> State::block(const std::string& name) const {
  const auto found = blocks_.find(name);
  if (found == blocks_.end()) {
    throw Error("INVALID_ARGUMENT", "State \"" + name + "\": expected a block of this name, received none");
  }
  return {found->second.as<float>(), found->second.size() / sizeof(float)};
}

std::span<float> State::range(const std::string& name, std::uint64_t first, std::uint64_t count) const {
  const std::span<float> whole = block(name);
  if (first > whole.size() || count > whole.size() - first) {
    throw Error("INVALID_ARGUMENT", "State \"" + name + "\": expected elements within " +
                                        std::to_string(whole.size()) + ", received " + std::to_string(first) +
                                        " + " + std::to_string(count));
  }
  return whole.subspan(first, count);
}

std::size_t State::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, buffer] : blocks_) bytes += buffer.size();
  return bytes;
}

}  // namespace ocrnet

#include "runtime/arena.h"

#include <string>

#include "core/error.h"

namespace ocrnet {

Arena::Reservation::Reservation(Arena& arena, std::size_t bytes)
    : arena_(arena), need_(arena.needs_.insert(bytes)) {
  try {
    arena_.data();
  } catch (...) {
    arena_.needs_.erase(need_);
    throw;
  }
}

Arena::Reservation::~Reservation() {
  arena_.needs_.erase(need_);
  if (arena_.buffer_.size() > arena_.largestNeed()) arena_.buffer_ = AlignedBuffer();
}

std::byte* Arena::data() {
  const std::size_t need = largestNeed();
  if (buffer_.size() < need) {
    buffer_ = AlignedBuffer();  // before the larger one, so that both never exist at once
    try {
      buffer_ = AlignedBuffer(need);
    } catch (const std::bad_alloc&) {
      throw Error("OUT_OF_MEMORY", "The plan needs an arena of " + std::to_string(need) +
                                       " bytes, which the system does not give");
    }
  }
  return buffer_.data();
}

}  // namespace ocrnet

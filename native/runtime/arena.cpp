#include "runtime/arena.h"

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
  // The next run allocates what it needs.
  if (arena_.bytes() > arena_.largestNeed()) arena_.allocate(0);
}

std::byte* Arena::data() {
  if (bytes() < largestNeed()) allocate(largestNeed());
  return buffer_.get();
}

void Arena::allocate(std::size_t bytes) {
  bytes_ = 0;
  buffer_.reset();  // before the larger one, so that both never exist at once
  if (bytes == 0) return;
  buffer_ = allocateForPlan(*memory_, what_, bytes);
  bytes_ = bytes;
}

}  // namespace ocrnet

#include "emulation/tensor-copy.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/tf32.h"
#include "emulation/cluster.h"
#include "emulation/memory.h"

namespace ocrnet::emulation {

namespace {

constexpr const char* kOperation = "cp.async.bulk.tensor";
constexpr unsigned kMapAlignment = 64, kSwizzleAlignment = 1024, kChunkBytes = 16;
constexpr unsigned kChunks = kCopiedRowBytes / kChunkBytes;
constexpr std::size_t kFloatBytes = sizeof(float);
constexpr int kMostOffset = 255;  // that the instruction encodes for two dimensions of pixels

/// The 128 bytes of a row from element `first` on, zeros where there are none; `row` may be null.
void copyRow(std::byte* rows, unsigned index, const EncodedMap& map, const std::byte* row,
             std::int64_t first) {
  const std::int64_t elements = kCopiedRowBytes / map.elementBytes;
  const std::int64_t begin = row ? std::clamp<std::int64_t>(-first, 0, elements) : elements;
  const std::int64_t end = std::clamp<std::int64_t>(map.size(0) - first, begin, elements);
  std::byte bytes[kCopiedRowBytes] = {};
  if (begin < end) {
    std::memcpy(bytes + begin * map.elementBytes, row + (first + begin) * map.elementBytes,
                static_cast<std::size_t>(end - begin) * map.elementBytes);
  }
  for (std::size_t i = 0; map.roundsToTf32 && i < kCopiedRowBytes; i += kFloatBytes) {
    std::uint32_t bits;
    std::memcpy(&bits, bytes + i, kFloatBytes);
    bits = roundedToTf32(bits);
    std::memcpy(bytes + i, &bits, kFloatBytes);
  }
  for (unsigned chunk = 0; chunk < kChunks; ++chunk) {
    std::memcpy(rows + index * kCopiedRowBytes + (chunk ^ index % kChunks) * kChunkBytes,
                bytes + chunk * kChunkBytes, kChunkBytes);
  }
}

bool isWithin(std::int64_t i, std::int64_t size) { return i >= 0 && i < size; }

void landRows(const TensorCopy& copy) {
  const EncodedMap& map = copy.map;
  for (unsigned i = 0; i < map.rows; ++i) {
    const std::int64_t y = std::int64_t{copy.first.x} + std::int64_t{i} * map.steps[1];
    const std::byte* const row =
        isWithin(y, map.size(1)) ? map.first + y * static_cast<std::int64_t>(map.strides[0]) : nullptr;
    copyRow(copy.to, i, map, row, copy.first.channel);
  }
}

/// Of the bounding box, in width (0) or height (1).
std::int64_t lastOf(const EncodedMap& map, unsigned i) { return map.size(1 + i) - 1 + map.upperCorner[i]; }
bool isInBox(const EncodedMap& map, unsigned i, int coordinate) {
  return coordinate >= map.lowerCorner[i] && coordinate <= lastOf(map, i);
}

void landPixels(const TensorCopy& copy) {
  const EncodedMap& map = copy.map;
  std::int64_t x = copy.first.x, y = copy.first.y, image = copy.first.image;
  for (unsigned i = 0; i < map.rows; ++i) {
    const std::int64_t readX = x + copy.right, readY = y + copy.down;
    const bool there =
        isWithin(readX, map.size(1)) && isWithin(readY, map.size(2)) && isWithin(image, map.size(3));
    const std::byte* const row = there ? map.first + readX * static_cast<std::int64_t>(map.strides[0]) +
                                             readY * static_cast<std::int64_t>(map.strides[1]) +
                                             image * static_cast<std::int64_t>(map.strides[2])
                                       : nullptr;
    copyRow(copy.to, i, map, row, copy.first.channel);
    x += map.steps[1];
    if (x <= lastOf(map, 0)) continue;
    x = map.lowerCorner[0];
    y += map.steps[2];
    if (y <= lastOf(map, 1)) continue;
    y = map.lowerCorner[1];
    ++image;
  }
}

}  // namespace

void copyRows(void* to, const void* map, std::uint64_t* barrier, int column, int row, unsigned blocks) {
  Block::current().tensorCopies().start(to, map, false, barrier, {column, row, 0, 0}, 0, 0, blocks);
}

void copyPixels(void* to, const void* map, std::uint64_t* barrier, const Pixel& first, int right, int down,
                unsigned blocks) {
  Block::current().tensorCopies().start(to, map, true, barrier, first, right, down, blocks);
}

void TensorCopies::start(void* to, const void* map, bool ofPixels, const std::uint64_t* barrier,
                         const Pixel& first, int right, int down, unsigned blocks) {
  const auto require = [&](bool holds, const char* rule) {
    if (!holds) fault(rule);
  };
  require(reinterpret_cast<std::uintptr_t>(map) % kMapAlignment == 0, "its map is not at a multiple of 64");
  TensorCopy copy{.to = static_cast<std::byte*>(to),
                  .map = {},
                  .barrier = barrier,
                  .blocks = blocks,
                  .phases = {},
                  .thread = block_.thread(),
                  .first = first,
                  .right = right,
                  .down = down};
  std::memcpy(&copy.map, map, sizeof copy.map);
  require(copy.map.mark == EncodedMap::kMark, "its map was not encoded by the driver");
  require(copy.map.ofPixels == ofPixels, "its map is for another kind of copies");
  block_.requireShared(to, copy.map.rows * kCopiedRowBytes, kSwizzleAlignment, kOperation);
  if (ofPixels && (std::min(right, down) < 0 || std::max(right, down) > kMostOffset)) {
    fault("offsets of " + std::to_string(right) + " and " + std::to_string(down) + " cannot be encoded");
  }
  if (ofPixels && !(isInBox(copy.map, 0, first.x) && isInBox(copy.map, 1, first.y))) {
    fault("begins outside of its map's box, at (" + std::to_string(first.x) + ", " + std::to_string(first.y) +
          ")");
  }
  const Cluster& cluster = block_.cluster();
  require(blocks > 0 && blocks >> cluster.size() == 0, "goes to a block that the cluster has not");
  for (unsigned i = 0; i < cluster.size(); ++i) {
    if ((blocks >> i & 1) == 0) continue;
    Block& target = cluster.block(i);
    require(target.alive() > 0, "goes to a block that has ended");
    copy.phases[i] = target.barriers().phaseOfCopy(block_.sameOf(target, barrier));
  }
  block_.isDoneAtOnce() ? land(copy) : copies_.push_back(copy);
}

/// All of the tensor, whatever is read of it.
void TensorCopies::requireAllocated(const TensorCopy& copy) {
  const EncodedMap& map = copy.map;
  std::size_t bytes = static_cast<std::size_t>(map.size(0)) * map.elementBytes;
  for (unsigned i = 1; i < map.rank(); ++i) bytes += map.lasts[i] * map.strides[i - 1];
  if (!isAllocated(map.first, bytes)) {
    block_.blame(copy.thread);
    fault("its map's tensor lies outside of the allocated memory");
  }
}

void TensorCopies::land(const TensorCopy& copy) {
  requireAllocated(copy);
  const Cluster& cluster = block_.cluster();
  for (unsigned i = 0; i < cluster.size(); ++i) {
    if ((copy.blocks >> i & 1) == 0) continue;
    Block& target = cluster.block(i);
    TensorCopy own = copy;
    own.to = block_.sameOf(target, copy.to);
    own.map.ofPixels ? landPixels(own) : landRows(own);
    target.barriers().completeCopy(block_.sameOf(target, copy.barrier), copy.phases[i],
                                   copy.map.rows * kCopiedRowBytes, block_, copy.thread);
  }
}

void TensorCopies::landAt(std::size_t index) {
  const TensorCopy copy = copies_[index];
  copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(index));
  land(copy);
}

void TensorCopies::landSomething() {
  constexpr unsigned kMoments = 16;  // of which one is it
  if (!copies_.empty() && block_.random() % kMoments == 0) landAt(block_.random() % copies_.size());
}

bool TensorCopies::landNext() {
  if (copies_.empty()) return false;
  landAt(block_.asynchrony() == Asynchrony::random ? block_.random() % copies_.size() : 0);
  return true;
}

void TensorCopies::fault(std::string rule) {
  rule.insert(0, std::string(kOperation) + ": ");
  block_.fault(std::move(rule));
}

void TensorCopies::requireNoneInFlight() {
  if (copies_.empty()) return;
  block_.blame(copies_.front().thread);
  fault("is on its way when the block ends");
}

bool TensorCopies::isCopying(unsigned block) const {
  return std::any_of(copies_.begin(), copies_.end(),
                     [&](const TensorCopy& copy) { return (copy.blocks >> block & 1) != 0; });
}

}  // namespace ocrnet::emulation

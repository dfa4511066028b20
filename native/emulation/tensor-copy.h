#pragma once

// The copies of cuda/device/tensor-copy.h. They land when the policy says: at once, when every thread waits,
// in their order, or at random moments in any order.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "emulation/tensor-map.h"

namespace ocrnet::emulation {

class Block;

inline constexpr unsigned kMostCopyBlocks = 8;

struct Pixel {
  int channel, x, y, image;
};

/// Into the blocks of the cluster whose bits are set, each with its own barrier.
void copyRows(void* to, const void* map, std::uint64_t* barrier, int column, int row, unsigned blocks);
void copyPixels(void* to, const void* map, std::uint64_t* barrier, const Pixel& first, int right, int down,
                unsigned blocks);

/// On its way.
struct TensorCopy {
  std::byte* to;
  EncodedMap map;
  const std::uint64_t* barrier;
  unsigned blocks;                               // of the cluster: a bit each
  std::array<unsigned, kMostCopyBlocks> phases;  // of the blocks' barriers, when it was started
  unsigned thread;                               // that started it
  Pixel first;                                   // of a matrix: column and row are channel and x
  int right, down;
};

/// Of a block.
class TensorCopies {
 public:
  explicit TensorCopies(Block& block) : block_(block) {}

  void prepare() { copies_.clear(); }
  void start(void* to, const void* map, bool ofPixels, const std::uint64_t* barrier, const Pixel& first,
             int right, int down, unsigned blocks);
  /// One of them, or none, at random.
  void landSomething();
  /// One of them; false where there is none.
  bool landNext();
  void requireNoneInFlight();
  /// Whether one is on its way into a block of the cluster.
  bool isCopying(unsigned block) const;

 private:
  void land(const TensorCopy& copy);
  void landAt(std::size_t index);
  void requireAllocated(const TensorCopy& copy);
  [[noreturn]] void fault(std::string rule);

  Block& block_;
  std::deque<TensorCopy> copies_;
};

}  // namespace ocrnet::emulation

#pragma once

// Blocks that run together, and reach into each other's shared memory. Their threads take turns as those of a
// block do. Most clusters are of one block.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emulation/block.h"

namespace ocrnet::emulation {

inline constexpr unsigned kMostClusterBlocks = 8;

/// The place of the running thread's block in its cluster.
unsigned blockOfCluster();
/// All threads of the cluster that have not ended.
void synchroniseCluster();
/// At the barrier of another block of the cluster that lies where `state` does in this one.
void arriveAt(const std::uint64_t* state, unsigned block);

class Cluster {
 public:
  /// Runs the blocks from `first` on to their end; the text of a fault, or nothing.
  std::string run(const Launch& launch, uint3 first);

  unsigned size() const { return size_; }
  Block& block(unsigned rank) const { return *blocks_[rank]; }

  /// A thread of any block that need not wait, or null.
  Thread* next(Block& from);
  /// The running thread's.
  void endThread(Block& block);
  /// With all threads where they are: kernels own nothing that would have to be freed.
  [[noreturn]] void abandon(std::string fault);

  void synchronise();
  /// How often all threads have met there.
  unsigned synchronisations() const { return generation_; }

 private:
  unsigned alive() const;
  void completeMeeting();

  std::vector<std::unique_ptr<Block>> blocks_;
  unsigned size_ = 0;
  unsigned arrived_ = 0, generation_ = 0;
  Context scheduler_;
  std::string fault_;
};

}  // namespace ocrnet::emulation

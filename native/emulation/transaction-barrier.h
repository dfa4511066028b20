#pragma once

// The barriers of cuda/device/transaction-barrier.h, which count threads and bytes. What hardware keeps in a
// barrier's eight bytes is kept beside them; the bytes hold a mark, which shows where they are overwritten.

#include <cstdint>
#include <map>
#include <string>

namespace ocrnet::emulation {

class Block;

void initialiseBarrier(std::uint64_t* state, unsigned threads);
void publishBarriers();
/// And announces bytes.
void arrive(std::uint64_t* state, unsigned bytes);
void awaitPhase(std::uint64_t* state, unsigned parity);

struct BarrierState {
  unsigned threads;        // that end a phase
  unsigned missing;        // of them, in this phase
  std::int64_t bytes = 0;  // that were announced and have not been copied yet
  unsigned phase = 0;
  unsigned copiedPhases = 0, awaitedPhases = 0;  // up to the last with copies, and up to the last awaited
  unsigned initialiser;
  unsigned synchronisations,
      clusterSynchronisations;  // of the block and its cluster, when it was initialised
  bool published = false;       // to copies
};

/// Of a block.
class TransactionBarriers {
 public:
  explicit TransactionBarriers(Block& block) : block_(block) {}

  void prepare() { states_.clear(); }
  void initialise(std::uint64_t* state, unsigned threads);
  void publish();
  void arrive(const std::uint64_t* state, unsigned bytes);
  void await(const std::uint64_t* state, unsigned parity);

  /// The phase that a copy of the running thread belongs to.
  unsigned phaseOfCopy(const std::uint64_t* state);
  /// Bytes of a copy that a block's thread started in that phase.
  void completeCopy(const std::uint64_t* state, unsigned phase, unsigned bytes, Block& by, unsigned thread);

  /// At the block's end: neither bytes are missing, nor has a copy been left to itself.
  void requireSettled();
  /// What the threads wait for that wait for a barrier.
  void describeAwaited(std::string& text) const;

 private:
  BarrierState& find(const std::uint64_t* state, const char* operation);
  void endPhase(BarrierState& barrier);
  /// By the running thread, which may be another block's.
  bool isVisible(const BarrierState& barrier) const;
  [[noreturn]] void fault(const char* operation, const std::uint64_t* state, std::string rule);
  std::string describe(const std::uint64_t* state) const;

  Block& block_;
  std::map<const std::uint64_t*, BarrierState> states_;
};

}  // namespace ocrnet::emulation

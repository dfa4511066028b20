#include "emulation/transaction-barrier.h"

#include <algorithm>
#include <utility>

#include "emulation/cluster.h"

namespace ocrnet::emulation {

namespace {

constexpr const char* kCopy = "cp.async.bulk.tensor";
constexpr std::uint64_t kMark = 0x6d62617272696572;      // what an initialised barrier's bytes hold
constexpr unsigned kMostThreadsOrBytes = (1 << 20) - 1;  // that a barrier can count

}  // namespace

void initialiseBarrier(std::uint64_t* state, unsigned threads) {
  Block::current().barriers().initialise(state, threads);
}
void publishBarriers() { Block::current().barriers().publish(); }
void arrive(std::uint64_t* state, unsigned bytes) { Block::current().barriers().arrive(state, bytes); }
void awaitPhase(std::uint64_t* state, unsigned parity) { Block::current().barriers().await(state, parity); }

void TransactionBarriers::initialise(std::uint64_t* state, unsigned threads) {
  constexpr const char* kOperation = "mbarrier.init";
  block_.requireShared(state, sizeof *state, sizeof *state, kOperation);
  if (threads < 1 || threads > kMostThreadsOrBytes) {
    fault(kOperation, state, "cannot count " + std::to_string(threads) + " threads");
  }
  if (states_.contains(state)) fault(kOperation, state, "is initialised already");
  *state = kMark;
  states_[state] = {.threads = threads,
                    .missing = threads,
                    .initialiser = block_.thread(),
                    .synchronisations = block_.synchronisations(),
                    .clusterSynchronisations = block_.cluster().synchronisations()};
}

void TransactionBarriers::publish() {
  for (auto& [state, barrier] : states_) barrier.published |= barrier.initialiser == block_.thread();
}

BarrierState& TransactionBarriers::find(const std::uint64_t* state, const char* operation) {
  if (&Block::current() == &block_) block_.requireShared(state, sizeof *state, sizeof *state, operation);
  const auto found = states_.find(state);
  if (found == states_.end()) fault(operation, state, "was not initialised");
  if (*state != kMark) fault(operation, state, "has been overwritten");
  BarrierState& barrier = found->second;
  if (!isVisible(barrier)) {
    fault(operation, state, "was initialised by another thread since the last __syncthreads");
  }
  return barrier;
}

bool TransactionBarriers::isVisible(const BarrierState& barrier) const {
  if (barrier.clusterSynchronisations != block_.cluster().synchronisations()) return true;
  return &Block::current() == &block_ &&
         (barrier.initialiser == block_.thread() || barrier.synchronisations != block_.synchronisations());
}

void TransactionBarriers::arrive(const std::uint64_t* state, unsigned bytes) {
  constexpr const char* kOperation = "mbarrier.arrive";
  BarrierState& barrier = find(state, kOperation);
  if (barrier.missing == 0) {
    fault(kOperation, state,
          "counts " + std::to_string(barrier.threads) +
              " threads in a phase, and more arrive in one that still lacks " +
              std::to_string(barrier.bytes) + " bytes");
  }
  barrier.bytes += bytes;
  if (barrier.bytes > kMostThreadsOrBytes) {
    fault(kOperation, state, "cannot count " + std::to_string(barrier.bytes) + " bytes");
  }
  --barrier.missing;
  if (barrier.missing == 0 && barrier.bytes < 0) {
    fault(kOperation, state, "has got " + std::to_string(-barrier.bytes) + " bytes that were not announced");
  }
  endPhase(barrier);
}

/// Where it has ended.
void TransactionBarriers::endPhase(BarrierState& barrier) {
  if (barrier.missing > 0 || barrier.bytes != 0) return;
  barrier.missing = barrier.threads;
  ++barrier.phase;
}

void TransactionBarriers::await(const std::uint64_t* state, unsigned parity) {
  constexpr const char* kOperation = "mbarrier.try_wait";
  BarrierState& barrier = find(state, kOperation);
  if (parity > 1) fault(kOperation, state, "has no parity of " + std::to_string(parity));
  const unsigned phase = barrier.phase;
  const bool ended = (phase & 1) != parity;
  if (!ended) {
    block_.awaitChange(barrier.phase, kOperation);
    if (barrier.phase - phase > 1) {
      fault(kOperation, state, "has ended the awaited phase and the next, so that the thread may miss both");
    }
  }
  barrier.awaitedPhases = std::max(barrier.awaitedPhases, ended ? phase : phase + 1);
}

unsigned TransactionBarriers::phaseOfCopy(const std::uint64_t* state) {
  const BarrierState& barrier = find(state, kCopy);
  if (!barrier.published) fault(kCopy, state, "was not published to copies");
  return barrier.phase;
}

void TransactionBarriers::completeCopy(const std::uint64_t* state, unsigned phase, unsigned bytes, Block& by,
                                       unsigned thread) {
  BarrierState& barrier = states_.at(state);
  barrier.bytes -= bytes;
  if (barrier.phase != phase || (barrier.missing == 0 && barrier.bytes < 0)) {
    by.blame(thread);
    fault(kCopy, state, "has got " + std::to_string(bytes) + " bytes, more than were announced");
  }
  barrier.copiedPhases = phase + 1;
  endPhase(barrier);
}

void TransactionBarriers::requireSettled() {
  constexpr const char* kOperation = "when the block ends";
  for (const auto& [state, barrier] : states_) {
    if (barrier.bytes > 0) {
      fault(kOperation, state, "still lacks " + std::to_string(barrier.bytes) + " bytes");
    }
    if (barrier.bytes < 0) {
      fault(kOperation, state,
            "has got " + std::to_string(-barrier.bytes) + " bytes that were not announced");
    }
    if (barrier.copiedPhases > barrier.awaitedPhases) {
      fault(kOperation, state, "has got copies that nobody awaited");
    }
  }
}

void TransactionBarriers::describeAwaited(std::string& text) const {
  for (const auto& [state, barrier] : states_) {
    const Thread* const thread = block_.waiting(barrier.phase);
    if (!thread) continue;
    text += "; thread " + std::to_string(thread->number) + " awaits phase " + std::to_string(barrier.phase) +
            " of " + describe(state) + ", which lacks " + std::to_string(barrier.missing) + " of " +
            std::to_string(barrier.threads) + " threads and " + std::to_string(barrier.bytes) + " bytes";
  }
}

void TransactionBarriers::fault(const char* operation, const std::uint64_t* state, std::string rule) {
  rule.insert(0, std::string(operation) + ": " + describe(state) + " ");
  Block::current().fault(std::move(rule));
}

std::string TransactionBarriers::describe(const std::uint64_t* state) const {
  return "the barrier at byte " +
         std::to_string(reinterpret_cast<const std::byte*>(state) - block_.shared()) + " of shared memory";
}

}  // namespace ocrnet::emulation

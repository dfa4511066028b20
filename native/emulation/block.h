#pragma once

// One block of a kernel on one thread of the processor: a stack for each of the kernel's threads, shared
// memory, and the places where threads meet. Blocks run in clusters, most of them alone (cluster.h).
//
// What hardware leaves open is varied, so that a kernel which relies on luck is found out: the order in which
// threads run between two meetings, and when asynchronous copies land. Shared memory is poisoned, and lies in
// front of pages that nobody may touch. A kernel that breaks a rule ends with a fault, which names kernel,
// block, thread and rule.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <source_location>
#include <string>
#include <type_traits>
#include <vector>

#include "emulation/context.h"
#include "emulation/include/cuda_language.h"
#include "emulation/tensor-copy.h"
#include "emulation/transaction-barrier.h"
#include "emulation/warpgroup.h"

namespace ocrnet::emulation {

/// When asynchronous copies land, and streams run: at once, when somebody waits for them, or somewhere
/// between.
enum class Asynchrony { earliest, latest, random };
/// The order of a block's threads and of a grid's blocks.
enum class Order { ascending, descending, random };

struct Policy {
  Asynchrony asynchrony = Asynchrony::latest;
  Order order = Order::ascending;
  std::uint32_t seed = 1;
  bool forgetsWaits = false;  // a planted mistake: streams do not wait for events
};

/// Of all launches from now on.
Policy policy();
void setPolicy(const Policy& policy);

inline constexpr unsigned kWarpThreads = 32, kMostThreads = kWarpgroupThreads * kMostWarpgroups;
inline constexpr std::size_t kMostSharedBytes = 227 * 1024;

/// Threads that meet: the last to come acts for all.
struct Meeting {
  unsigned arrived = 0, generation = 0, expected = 0;
  const char* operation = nullptr;
};

template <unsigned threads>
struct MeetingOf : Meeting {
  std::array<void*, threads> operands;
};

/// An asynchronous copy on its way, of `given` bytes and then zeros.
struct PendingCopy {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes, given;
  std::uint64_t group;
};

class Block;
class Cluster;

struct Thread {
  Context context;
  Block* block = nullptr;
  uint3 index;
  unsigned number = 0;
  bool ended = true;
  const unsigned* awaited = nullptr;  // the generation of a meeting, or another count
  unsigned before = 0;                // its value that is waited to change
  const char* place = "";             // where it waits
  std::deque<PendingCopy> copies;
  std::uint64_t group = 0;  // of the copies that are not committed yet
};

struct Launch {
  const char* kernel;
  dim3 grid, block;
  std::size_t sharedBytes;
  unsigned clusterBlocks;      // that run together, neighbours along x
  std::function<void()> body;  // the kernel with its arguments
};

class Block {
 public:
  Block();
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// One of a cluster's that will run.
  void begin(const Launch& launch, uint3 index, Cluster& cluster, unsigned rank);
  /// When all its threads have ended: the text of a fault, or nothing.
  std::string end() const;

  /// The block that runs on this thread of the processor.
  static Block& current();
  static Block* currentOrNull();
  /// When none runs any more.
  static void leave();

  std::byte* shared() const { return shared_; }
  std::size_t sharedBytes() const { return launch_->sharedBytes; }
  unsigned threads() const { return count_; }
  unsigned thread() const { return running_->number; }
  unsigned lane() const { return running_->number % kWarpThreads; }
  unsigned alive() const { return alive_; }
  Cluster& cluster() const { return *cluster_; }
  unsigned rank() const { return rank_; }
  /// What lies in another block of the cluster where `address` lies in this one.
  template <class T>
  T* sameOf(const Block& other, T* address) const {
    using Bytes = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
    return reinterpret_cast<T*>(other.shared_ + (reinterpret_cast<Bytes*>(address) - shared_));
  }
  TransactionBarriers& barriers() { return barriers_; }
  TensorCopies& tensorCopies() { return tensorCopies_; }
  Warpgroups& warpgroups() { return warpgroups_; }

  /// Ends the cluster.
  [[noreturn]] void fault(std::string rule);
  /// In front of a fault that is another thread's.
  void blame(unsigned thread);

  /// __syncthreads: all threads of the block, at the same place of the source.
  void synchronise(const std::source_location& place);
  /// How often all threads have met there.
  unsigned synchronisations() const { return barrier_.generation; }

  /// Lanes of `mask` meet; execute(operands), by lane, runs once.
  template <class Execute>
  void warp(unsigned mask, void* operand, const char* operation, const Execute& execute) {
    meet(arrive(mask, operand, operation), operation, execute);
  }
  /// The threads of a warpgroup meet; execute(operands), by their place in it, runs once.
  template <class Execute>
  void warpgroup(void* operand, const char* operation, const Execute& execute) {
    meet(arriveInWarpgroup(operand, operation), operation, execute);
  }

  // For the cluster

  /// A thread that need not wait, in the policy's order, or null.
  Thread* firstReady();
  /// Whether there is a running thread, which waits.
  bool isWaiting() const { return running_ && !running_->ended; }
  /// Something of what is asynchronous, or nothing, at random.
  void doSomething();
  void resume(Context& from, Thread& thread);
  /// The running thread and every other waits.
  [[noreturn]] void faultOfWaiting(std::string rule);

  /// Until the count is another.
  void awaitChange(const unsigned& count, const char* place);
  /// A thread that waits for that, or null.
  const Thread* waiting(const unsigned& count) const;

  Asynchrony asynchrony() const { return policy_.asynchrony; }
  /// Whether what is asynchronous is done when it is started.
  bool isDoneAtOnce();
  std::uint32_t random();

  /// `given` bytes, and zeros up to `bytes`.
  void copyAsynchronously(void* to, const void* from, std::size_t bytes, std::size_t given);
  void commitCopies();
  /// Until at most so many of the thread's last groups are on their way.
  void awaitCopies(std::uint64_t groups);

  /// Throws a fault unless the bytes lie in shared memory.
  void requireShared(const void* address, std::size_t bytes, std::size_t alignment, const char* operation);

 private:
  static void enter();
  MeetingOf<kWarpThreads>& arrive(unsigned mask, void* operand, const char* operation);
  MeetingOf<kWarpgroupThreads>& arriveInWarpgroup(void* operand, const char* operation);
  void join(Meeting& meeting, unsigned expected, const char* operation, const char* whose);
  template <class Meeting, class Execute>
  void meet(Meeting& meeting, const char* operation, const Execute& execute) {
    if (meeting.arrived == meeting.expected) {
      execute(meeting.operands.data());
      complete(meeting);
    } else {
      awaitChange(meeting.generation, operation);
    }
  }
  void complete(Meeting& meeting);
  /// Lets another thread run until this one need not wait any more.
  void yield();
  void prepareThreads();
  void prepareShared();
  std::byte* sharedEnd() const;
  void requireSharedEdgesIntact();
  void endThread();
  static void land(const PendingCopy& copy);
  void landSomething();

  const Launch* launch_ = nullptr;
  uint3 index_{};
  Policy policy_;
  std::uint32_t randomState_ = 1;
  std::vector<Thread> threads_;
  unsigned count_ = 0, alive_ = 0;
  Thread* running_ = nullptr;
  Cluster* cluster_ = nullptr;
  unsigned rank_ = 0;
  Meeting barrier_;
  std::source_location barrierPlace_;
  std::vector<std::array<MeetingOf<kWarpThreads>, kWarpThreads>> warps_;
  std::array<MeetingOf<kWarpgroupThreads>, kMostWarpgroups> warpgroupMeetings_;
  TransactionBarriers barriers_{*this};
  TensorCopies tensorCopies_{*this};
  Warpgroups warpgroups_{*this};
  std::byte *stacks_ = nullptr, *sharedRegion_ = nullptr, *shared_ = nullptr;
};

/// Lets an access to memory that nobody may touch end the block, where one runs.
void catchForbiddenAccess();

}  // namespace ocrnet::emulation

#include "emulation/block.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>

#include "core/integers.h"
#include "emulation/cluster.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

thread_local uint3 threadIdx, blockIdx;
thread_local dim3 blockDim, gridDim;

namespace ocrnet::emulation {

namespace {

constexpr std::size_t kStackBytes = 128 * 1024, kPageBytes = 4096;
// Of the blocks of eight rows in which copies and products of warpgroups see memory.
constexpr std::size_t kSharedAlignment = 1024;
constexpr std::size_t kSharedRegionBytes = roundUp(kMostSharedBytes, kPageBytes);
constexpr std::size_t kSharedFrontBytes = kPageBytes, kSharedEdgeBytes = 256;  // the edge is watched
constexpr std::size_t kGuardBytes = 1 << 20;  // behind it: a wrong index may be far off
constexpr int kPoison = 0xff;                 // floats of it are NaN

thread_local Block* currentBlock = nullptr;

std::atomic<std::uint64_t> packedPolicy{std::uint64_t{1} << 32 | 1};  // latest, ascending, 1

std::byte* mapMemory(std::size_t bytes) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

std::string describe(uint3 index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) +
         ")";
}

}  // namespace

Policy policy() {
  const std::uint64_t packed = packedPolicy;
  return {static_cast<Asynchrony>(packed >> 32 & 0xff), static_cast<Order>(packed >> 40 & 0xff),
          static_cast<std::uint32_t>(packed), (packed >> 48) != 0};
}

void setPolicy(const Policy& policy) {
  packedPolicy = std::uint64_t{policy.forgetsWaits} << 48 | static_cast<std::uint64_t>(policy.order) << 40 |
                 static_cast<std::uint64_t>(policy.asynchrony) << 32 | policy.seed;
}

Block::Block() {
  stacks_ = mapMemory(kStackBytes * kMostThreads);
  sharedRegion_ = mapMemory(kSharedFrontBytes + kSharedRegionBytes + kGuardBytes);
  mprotect(sharedEnd(), kGuardBytes, PROT_NONE);
}

Block::~Block() {
  munmap(stacks_, kStackBytes * kMostThreads);
  munmap(sharedRegion_, kSharedFrontBytes + kSharedRegionBytes + kGuardBytes);
}

Block& Block::current() { return *currentBlock; }
Block* Block::currentOrNull() { return currentBlock; }
void Block::leave() { currentBlock = nullptr; }

void Block::begin(const Launch& launch, uint3 index, Cluster& cluster, unsigned rank) {
  launch_ = &launch;
  index_ = index;
  cluster_ = &cluster;
  rank_ = rank;
  policy_ = policy();
  randomState_ = policy_.seed + index.x * 7919 + index.y * 104729 + index.z * 1299709;
  blockDim = launch.block;
  gridDim = launch.grid;
  const unsigned alive = alive_;
  count_ = alive_ = launch.block.x * launch.block.y * launch.block.z;
  // Whoever met has parted, but where a fault came between.
  if (alive > 0 || warps_.size() < divideUp(count_, kWarpThreads)) {
    barrier_ = {};
    warps_.assign(kMostThreads / kWarpThreads, {});
    warpgroupMeetings_ = {};
  }
  prepareShared();
  prepareThreads();
  barriers_.prepare();
  tensorCopies_.prepare();
  warpgroups_.prepare();
}

void Block::prepareShared() {
  shared_ = sharedRegion_ + kSharedFrontBytes + kSharedRegionBytes -
            roundUp(launch_->sharedBytes, kSharedAlignment);
  std::byte* const front = shared_ - kSharedEdgeBytes;
  std::memset(front, kPoison, sharedEnd() - front);
}

std::byte* Block::sharedEnd() const { return sharedRegion_ + kSharedFrontBytes + kSharedRegionBytes; }

/// What is in front of the kernel's shared memory, and between its end and the pages that nobody may touch,
/// must be as it was.
std::string Block::end() const {
  const auto written = [](const std::byte* first, const std::byte* end) {
    return !std::all_of(first, end, [](std::byte b) { return b == std::byte{kPoison}; });
  };
  const bool before = written(shared_ - kSharedEdgeBytes, shared_);
  if (!before && !written(shared_ + launch_->sharedBytes, sharedEnd())) return "";
  return std::string(launch_->kernel) + ", block " + describe(index_) + ": wrote " +
         (before ? "in front of" : "behind") + " its shared memory of " +
         std::to_string(launch_->sharedBytes) + " bytes";
}

void Block::prepareThreads() {
  if (threads_.size() < count_) threads_.resize(count_);
#ifdef __SANITIZE_ADDRESS__
  // Threads that a fault ended left marks of their frames.
  ASAN_UNPOISON_MEMORY_REGION(stacks_, kStackBytes * count_);
#endif
  const dim3 size = launch_->block;
  for (unsigned i = 0; i < count_; ++i) {
    Thread& thread = threads_[i];
    thread.block = this;
    thread.index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    thread.number = i;
    thread.ended = false;
    thread.awaited = nullptr;
    thread.copies.clear();
    thread.group = 0;
    makeContext(thread.context, stacks_ + kStackBytes * i, kStackBytes, &Block::enter);
  }
  running_ = nullptr;
}

void Block::enter() {
  Block& block = current();
  block.launch_->body();
  block.endThread();
}

void Block::endThread() {
  Thread& thread = *running_;
  if (!thread.copies.empty()) fault("ended with asynchronous copies on their way");
  if (barrier_.arrived > 0) fault("ended while others wait in __syncthreads");
  warpgroups_.requireNoneInFlight();
  if (alive_ == 1) {
    tensorCopies_.requireNoneInFlight();
    for (unsigned i = 0; i < cluster_->size(); ++i) {
      if (cluster_->block(i).tensorCopies().isCopying(rank_)) fault("ended while another block copies to it");
    }
    barriers_.requireSettled();
  }
  thread.ended = true;
  --alive_;
  cluster_->endThread(*this);
}

void Block::fault(std::string rule) {
  std::string text = std::string(launch_->kernel) + ", block " + describe(index_) + ", thread " +
                     describe(running_->index) + ": " + rule;
  rule = std::string();  // what this stack holds, nobody frees
  cluster_->abandon(std::move(text));
}

void Block::blame(unsigned thread) {
  running_ = &threads_[thread];
  currentBlock = this;
}

/// With what the first thread of each warp does.
void Block::faultOfWaiting(std::string rule) {
  for (unsigned i = 0; i < count_; i += kWarpThreads) {
    const Thread& thread = threads_[i];
    rule += i == 0 ? ": thread " : ", thread ";
    rule += std::to_string(i);
    rule += thread.ended ? " has ended" : " in ";
    if (!thread.ended) rule += thread.place;
  }
  barriers_.describeAwaited(rule);
  fault(std::move(rule));
}

void Block::synchronise(const std::source_location& place) {
  if (alive_ < count_) fault("waits in __syncthreads for threads that have ended");
  if (barrier_.arrived == 0) {
    barrierPlace_ = place;
  } else if (barrierPlace_.line() != place.line() || barrierPlace_.column() != place.column() ||
             std::strcmp(barrierPlace_.file_name(), place.file_name()) != 0) {
    fault("waits in __syncthreads of line " + std::to_string(place.line()) +
          " while others wait in that of line " + std::to_string(barrierPlace_.line()));
  }
  barrier_.expected = count_;
  if (++barrier_.arrived == barrier_.expected) {
    complete(barrier_);
  } else {
    awaitChange(barrier_.generation, "__syncthreads");
  }
}

void Block::join(Meeting& meeting, unsigned expected, const char* operation, const char* whose) {
  if (meeting.arrived == 0) {
    meeting.operation = operation;
    meeting.expected = expected;
  } else if (meeting.operation != operation || meeting.expected != expected) {
    fault(std::string(operation) + " meets " + meeting.operation + ": the " + whose + "'s threads diverge");
  }
  ++meeting.arrived;
}

MeetingOf<kWarpThreads>& Block::arrive(unsigned mask, void* operand, const char* operation) {
  const unsigned lane = this->lane();
  if ((mask >> lane & 1) == 0) fault(std::string(operation) + ": its mask lacks the thread's own lane");
  auto& meeting = warps_[running_->number / kWarpThreads][std::countr_zero(mask)];
  join(meeting, static_cast<unsigned>(std::popcount(mask)), operation, "warp");
  meeting.operands[lane] = operand;
  return meeting;
}

MeetingOf<kWarpgroupThreads>& Block::arriveInWarpgroup(void* operand, const char* operation) {
  const unsigned group = running_->number / kWarpgroupThreads;
  if ((group + 1) * kWarpgroupThreads > count_) {
    fault(std::string(operation) + ": the block has only " + std::to_string(count_ % kWarpgroupThreads) +
          " threads of the warpgroup");
  }
  auto& meeting = warpgroupMeetings_[group];
  join(meeting, kWarpgroupThreads, operation, "warpgroup");
  meeting.operands[running_->number % kWarpgroupThreads] = operand;
  return meeting;
}

void Block::complete(Meeting& meeting) {
  meeting.arrived = 0;
  ++meeting.generation;
}

void Block::awaitChange(const unsigned& count, const char* place) {
  running_->awaited = &count;
  running_->before = count;
  running_->place = place;
  yield();
}

const Thread* Block::waiting(const unsigned& count) const {
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& thread = threads_[i];
    if (!thread.ended && thread.awaited == &count && thread.before == count) return &thread;
  }
  return nullptr;
}

void Block::yield() {
  Thread& thread = *running_;
  Thread* const other = cluster_->next(*this);
  if (!other) faultOfWaiting(std::string("waits in ") + thread.place + " and so does every other");
  if (other != &thread) other->block->resume(thread.context, *other);
  thread.awaited = nullptr;
}

void Block::doSomething() {
  landSomething();
  tensorCopies_.landSomething();
  warpgroups_.computeSomething();
}

Thread* Block::firstReady() {
  if (alive_ == 0) return nullptr;
  const auto ready = [](const Thread& thread) {
    return !thread.ended && (!thread.awaited || *thread.awaited != thread.before);
  };
  const bool descending = policy_.order == Order::descending;
  unsigned first =
      running_ ? running_->number + (descending ? count_ - 1 : 1) : (descending ? count_ - 1 : 0);
  if (policy_.order == Order::random) first = random();
  first %= count_;
  for (unsigned i = 0; i < count_; ++i) {
    Thread& thread = threads_[(first + (descending ? count_ - i : i)) % count_];
    if (ready(thread)) return &thread;
  }
  return nullptr;
}

void Block::resume(Context& from, Thread& thread) {
  running_ = &thread;
  currentBlock = this;
  threadIdx = thread.index;
  blockIdx = index_;
  switchContext(from, thread.context);
}

std::uint32_t Block::random() {
  randomState_ = randomState_ * 1664525u + 1013904223u;
  return randomState_ >> 8;
}

bool Block::isDoneAtOnce() {
  return policy_.asynchrony == Asynchrony::earliest ||
         (policy_.asynchrony == Asynchrony::random && random() % 2 == 0);
}

void Block::requireShared(const void* address, std::size_t bytes, std::size_t alignment,
                          const char* operation) {
  const auto* const first = static_cast<const std::byte*>(address);
  if (first < shared_ || first + bytes > shared_ + launch_->sharedBytes) {
    fault(std::string(operation) + ": its address lies outside the kernel's shared memory");
  }
  if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0) {
    fault(std::string(operation) + ": its address is not a multiple of " + std::to_string(alignment));
  }
}

void Block::copyAsynchronously(void* to, const void* from, std::size_t bytes, std::size_t given) {
  requireShared(to, bytes, bytes, "cp.async");
  if (reinterpret_cast<std::uintptr_t>(from) % bytes != 0) {
    fault("cp.async: its source is not a multiple of " + std::to_string(bytes));
  }
  const PendingCopy copy{static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes, given,
                         running_->group};
  isDoneAtOnce() ? land(copy) : running_->copies.push_back(copy);
}

void Block::land(const PendingCopy& copy) {
  if (copy.given > 0) std::memcpy(copy.to, copy.from, copy.given);
  std::memset(copy.to + copy.given, 0, copy.bytes - copy.given);
}

/// One of the running thread's copies, in any order.
void Block::landSomething() {
  if (!running_ || running_->copies.empty() || random() % 4 != 0) return;
  const auto chosen = running_->copies.begin() + random() % running_->copies.size();
  land(*chosen);
  running_->copies.erase(chosen);
}

void Block::commitCopies() { ++running_->group; }

void Block::awaitCopies(std::uint64_t groups) {
  Thread& thread = *running_;
  while (!thread.copies.empty() && thread.copies.front().group + groups < thread.group) {
    land(thread.copies.front());
    thread.copies.pop_front();
  }
}

namespace {

struct sigaction previousAction;

thread_local const void* forbiddenAddress = nullptr;

[[noreturn]] void faultOfAccess() {
  char text[96];
  std::snprintf(text, sizeof text, "reads or writes at %p, which is outside all memory that it was given",
                forbiddenAddress);
  Block::current().fault(text);
}

/// Goes on in `faultOfAccess`, on the stack of the kernel's thread.
void onForbiddenAccess(int signal, siginfo_t* info, void* state) {
#if defined(__x86_64__)
  if (Block::currentOrNull()) {
    forbiddenAddress = info->si_addr;
    auto* const registers = static_cast<ucontext_t*>(state)->uc_mcontext.gregs;
    registers[REG_RIP] = reinterpret_cast<greg_t>(&faultOfAccess);
    registers[REG_RSP] = ((registers[REG_RSP] - 256) & ~greg_t{15}) - 8;
    return;
  }
#endif
  static_cast<void>(info);
  static_cast<void>(state);
  sigaction(signal, &previousAction, nullptr);
}

}  // namespace

void catchForbiddenAccess() {
#ifndef __SANITIZE_ADDRESS__  // which reports it itself
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = onForbiddenAccess;
    // The signal's handler is left without a return: the signal must not stay blocked.
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previousAction);
  });
#endif
}

}  // namespace ocrnet::emulation

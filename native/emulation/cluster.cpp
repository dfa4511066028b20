#include "emulation/cluster.h"

#include <utility>

namespace ocrnet::emulation {

unsigned blockOfCluster() { return Block::current().rank(); }

void synchroniseCluster() { Block::current().cluster().synchronise(); }

void arriveAt(const std::uint64_t* state, unsigned block) {
  Block& own = Block::current();
  if (block >= own.cluster().size()) own.fault("mapa: the cluster has no block " + std::to_string(block));
  own.requireShared(state, sizeof *state, sizeof *state, "mbarrier.arrive");
  Block& other = own.cluster().block(block);
  if (other.alive() == 0) own.fault("mbarrier.arrive: at a barrier of a block that has ended");
  other.barriers().arrive(own.sameOf(other, state), 0);
}

std::string Cluster::run(const Launch& launch, uint3 first) {
  size_ = launch.clusterBlocks;
  arrived_ = generation_ = 0;
  fault_.clear();
  while (blocks_.size() < size_) blocks_.push_back(std::make_unique<Block>());
  for (unsigned i = 0; i < size_; ++i) {
    blocks_[i]->begin(launch, {first.x + i, first.y, first.z}, *this, i);
  }
  Thread& thread = *next(*blocks_[0]);
  thread.block->resume(scheduler_, thread);
  Block::leave();
  for (unsigned i = 0; i < size_ && fault_.empty(); ++i) fault_ = blocks_[i]->end();
  return fault_;
}

unsigned Cluster::alive() const {
  unsigned count = 0;
  for (unsigned i = 0; i < size_; ++i) count += blocks_[i]->alive();
  return count;
}

Thread* Cluster::next(Block& from) {
  if (alive() == 0) return nullptr;
  unsigned first = from.rank();
  if (from.asynchrony() == Asynchrony::random) {
    for (unsigned i = 0; i < size_; ++i) blocks_[i]->doSomething();
    if (size_ > 1) first = from.random() % size_;
  }
  bool landed;
  do {
    for (unsigned i = 0; i < size_; ++i) {
      if (Thread* const thread = blocks_[(first + i) % size_]->firstReady()) return thread;
    }
    landed = false;
    for (unsigned i = 0; i < size_ && !landed; ++i) landed = blocks_[i]->tensorCopies().landNext();
  } while (landed);
  // Nobody is left to say so but a thread that just ended.
  if (!from.isWaiting()) from.faultOfWaiting("ended, and the others wait for each other");
  return nullptr;
}

void Cluster::endThread(Block& block) {
  completeMeeting();
  Context ended;
  if (Thread* const other = next(block)) other->block->resume(ended, *other);
  switchContext(ended, scheduler_);
}

void Cluster::abandon(std::string fault) {
  fault_ = std::move(fault);
  std::string().swap(fault);  // what this stack holds, nobody frees
  Context abandoned;
  switchContext(abandoned, scheduler_);
  __builtin_unreachable();
}

void Cluster::synchronise() {
  ++arrived_;
  const unsigned generation = generation_;
  completeMeeting();
  if (generation_ == generation) Block::current().awaitChange(generation_, "barrier.cluster");
}

/// Where all threads have come that have not ended.
void Cluster::completeMeeting() {
  if (arrived_ == 0 || arrived_ < alive()) return;
  arrived_ = 0;
  ++generation_;
}

}  // namespace ocrnet::emulation

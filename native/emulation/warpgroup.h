#pragma once

// The instructions of cuda/device/warpgroup.h: all threads of a warpgroup meet in them. Products are computed
// when the policy says: at once, when they are awaited, or at random moments, in their order.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace ocrnet::emulation {

class Block;

inline constexpr unsigned kWarpgroupThreads = 128, kMostWarpgroups = 8;

/// As instructions address shared memory.
unsigned sharedAddress(const void* pointer);

/// A barrier of the warpgroup's own.
void synchroniseWarpgroup();
void fenceProducts();
void commitProducts();
void awaitProducts(unsigned groups);
void setRegisters(unsigned registers);
/// Of BFloat16, Float16, or float, of which ten bits of fraction are multiplied.
template <class T>
void multiplyAddTogether(float* sums, int columns, bool rowsOfDepth, std::uint64_t a, std::uint64_t b,
                         bool adds);

/// Asynchronous, of 64 rows.
struct WarpgroupProduct {
  int columns;
  bool rowsOfDepth;
  std::uint64_t a, b;  // operands' descriptors
  bool adds;
  void (*compute)(const WarpgroupProduct& product, const std::byte* shared);
  std::array<float*, kWarpgroupThreads> sums;  // of each thread
  std::uint64_t group;
  bool done;
  bool late;  // not before somebody awaits it
};

struct Warpgroup {
  std::deque<WarpgroupProduct> products;  // that were not awaited yet
  std::uint64_t group = 0;                // of the products that are not committed yet
  bool fenced = false;
  // What products have left in sums, by the first thread's, since the last fence.
  std::map<const float*, std::vector<float>> sumsLeft;
  unsigned registers = 0, wantedRegisters = 0;  // of each thread
  bool setsRegisters = false;
};

/// Of a block.
class Warpgroups {
 public:
  explicit Warpgroups(Block& block) : block_(block) {}

  void prepare();
  /// All threads have met, and the last of them is running.
  void multiplyAdd(const WarpgroupProduct& product);
  void fence();
  void commit() { ++current().group; }
  void await(unsigned groups);
  void wantRegisters(unsigned registers);

  /// Those that the running thread's warpgroup wants.
  void awaitRegisters();
  /// One product of one warpgroup, or none, at random.
  void computeSomething();
  /// By the running thread's warpgroup, which ends.
  void requireNoneInFlight();

 private:
  Warpgroup& current();
  void compute(Warpgroup& group, WarpgroupProduct& product);
  void requireFenced(const Warpgroup& group, const WarpgroupProduct& product);
  void grantRegisters();

  Block& block_;
  std::array<Warpgroup, kMostWarpgroups> groups_;
  unsigned count_ = 0;
  unsigned grants_ = 0;
};

}  // namespace ocrnet::emulation

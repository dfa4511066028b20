#include "emulation/warpgroup.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "core/bfloat16.h"
#include "core/float16.h"
#include "core/integers.h"
#include "emulation/block.h"

namespace ocrnet::emulation {

namespace {

constexpr int kRows = 64, kMostDepth = 16, kMostColumns = 128;
constexpr unsigned kDepthBytes = 32;
template <class T>
constexpr int kDepth = kDepthBytes / sizeof(T);
constexpr unsigned kAddressBits = 0x3ffff, kRowBytes = 128, kEightRowsBytes = 1024;
constexpr unsigned kRegisters = 65536, kMostRegisters = 256, kLeastRegisters = 24, kRegisterStep = 8;

/// What an operand's descriptor says.
struct Operand {
  unsigned address, furtherBytes, eightRowsBytes, baseOffset, swizzle;
};

constexpr unsigned kSwizzle128 = 1;

Operand operandOf(std::uint64_t descriptor) {
  return {static_cast<unsigned>(descriptor & 0x3fff) << 4,
          static_cast<unsigned>(descriptor >> 16 & 0x3fff) << 4,
          static_cast<unsigned>(descriptor >> 32 & 0x3fff) << 4, static_cast<unsigned>(descriptor >> 49 & 7),
          static_cast<unsigned>(descriptor >> 62)};
}

float multiplied(BFloat16 x) { return toFloat(x); }
float multiplied(Float16 x) { return toFloat(x); }
float multiplied(float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xffffe000); }

/// Number i of a row from `first` on, where copies put it.
template <class T>
float numberAt(const std::byte* shared, unsigned first, unsigned row, unsigned i) {
  const unsigned straight =
      first + row / 8 * kEightRowsBytes + row % 8 * kRowBytes + i * static_cast<unsigned>(sizeof(T));
  T number;
  std::memcpy(&number, shared + (straight ^ (straight >> 7 & 7) << 4), sizeof number);
  return multiplied(number);
}

/// elements[row][depth]
template <class T>
void readOperand(const std::byte* shared, const WarpgroupProduct& product, std::uint64_t descriptor, int rows,
                 float (*elements)[kMostDepth]) {
  constexpr int kFurther = kRowBytes / sizeof(T);  // elements from which on they are further away
  const Operand operand = operandOf(descriptor);
  for (int row = 0; row < rows; ++row) {
    const unsigned first =
        operand.address + (product.rowsOfDepth ? row / kFurther * operand.furtherBytes : 0);
    for (int k = 0; k < kDepth<T>; ++k) {
      elements[row][k] = product.rowsOfDepth ? numberAt<T>(shared, first, k, row % kFurther)
                                             : numberAt<T>(shared, first, row, k);
    }
  }
}

template <class T>
void multiply(const WarpgroupProduct& product, const std::byte* shared) {
  float a[kRows][kMostDepth], columns[kMostColumns][kMostDepth], b[kMostDepth][kMostColumns];
  readOperand<T>(shared, product, product.a, kRows, a);
  readOperand<T>(shared, product, product.b, product.columns, columns);
  for (int j = 0; j < product.columns; ++j) {
    for (int k = 0; k < kDepth<T>; ++k) b[k][j] = columns[j][k];
  }
  for (int row = 0; row < kRows; ++row) {
    // Four neighbouring threads have two neighbours each of eight columns.
    float* const* const threads = &product.sums[row / 16 * kWarpThreads + row % 8 * 4];
    const auto sum = [&](int column) -> float& {
      return threads[column % 8 / 2][column / 8 * 4 + row % 16 / 8 * 2 + column % 2];
    };
    float c[kMostColumns] = {};
    if (product.adds) {
      for (int j = 0; j < product.columns; ++j) c[j] = sum(j);
    }
    for (int k = 0; k < kDepth<T>; ++k) {
      for (int j = 0; j < product.columns; ++j) c[j] += a[row][k] * b[k][j];
    }
    for (int j = 0; j < product.columns; ++j) sum(j) = c[j];
  }
}

/// `results`: rows of A or columns of B.
void requireOperand(Block& block, const WarpgroupProduct& product, std::uint64_t descriptor, int results,
                    const char* which) {
  const Operand operand = operandOf(descriptor);
  const unsigned inRow = operand.address % kRowBytes;
  const auto fault = [&](const char* rule) {
    block.fault(std::string("wgmma.mma_async: its operand ") + which + rule);
  };
  if (operand.swizzle != kSwizzle128) fault(" is not swizzled by 128 bytes");
  if (operand.eightRowsBytes != kEightRowsBytes) fault("'s eights of rows are not 1024 bytes apart");
  if (operand.baseOffset != 0 || operand.address % kEightRowsBytes != inRow) {
    fault(" does not begin in the first of eight rows");
  }
  constexpr unsigned kFurther = kRowBytes / 2;  // results, in 16 bits
  const bool exceeds = product.rowsOfDepth ? inRow > 0 : inRow + kDepthBytes > kRowBytes;
  if ((descriptor & 0xc000) != 0 || exceeds) fault(" exceeds its rows");
  const unsigned end = product.rowsOfDepth
                           ? operand.address + (results - 1) / kFurther * operand.furtherBytes +
                                 kMostDepth / 8 * kEightRowsBytes
                           : operand.address + results / 8 * kEightRowsBytes - inRow;
  if (end > block.sharedBytes()) fault(" lies outside the kernel's shared memory");
}

}  // namespace

unsigned sharedAddress(const void* pointer) {
  Block& block = Block::current();
  block.requireShared(pointer, 1, 1, "cvta.to.shared");
  return static_cast<unsigned>(static_cast<const std::byte*>(pointer) - block.shared()) & kAddressBits;
}

void synchroniseWarpgroup() {
  Block::current().warpgroup(nullptr, "bar.sync", [](void**) {});
}

void fenceProducts() {
  Block& block = Block::current();
  block.warpgroup(nullptr, "wgmma.fence", [&](void**) { block.warpgroups().fence(); });
}

void commitProducts() {
  Block& block = Block::current();
  block.warpgroup(nullptr, "wgmma.commit_group", [&](void**) { block.warpgroups().commit(); });
}

void awaitProducts(unsigned groups) {
  Block& block = Block::current();
  block.warpgroup(&groups, "wgmma.wait_group", [&](void** operands) {
    for (unsigned i = 0; i < kWarpgroupThreads; ++i) {
      if (*static_cast<unsigned*>(operands[i]) != groups) {
        block.fault("wgmma.wait_group: the warpgroup's threads wait for different groups");
      }
    }
    block.warpgroups().await(groups);
  });
}

void setRegisters(unsigned registers) {
  Block& block = Block::current();
  block.warpgroup(&registers, "setmaxnreg", [&](void** operands) {
    for (unsigned i = 0; i < kWarpgroupThreads; ++i) {
      if (*static_cast<unsigned*>(operands[i]) != registers) {
        block.fault("setmaxnreg: the warpgroup's threads want different numbers of registers");
      }
    }
    block.warpgroups().wantRegisters(registers);
  });
  block.warpgroups().awaitRegisters();
}

template <class T>
void multiplyAddTogether(float* sums, int columns, bool rowsOfDepth, std::uint64_t a, std::uint64_t b,
                         bool adds) {
  struct Own {
    float* sums;
    int columns;
    bool rowsOfDepth;
    std::uint64_t a, b;
    bool adds;
    void (*compute)(const WarpgroupProduct&, const std::byte*);

    bool operator==(const Own& other) const {
      return columns == other.columns && rowsOfDepth == other.rowsOfDepth && a == other.a && b == other.b &&
             adds == other.adds && compute == other.compute;
    }
  } own{sums, columns, rowsOfDepth, a, b, adds, &multiply<T>};
  Block& block = Block::current();
  block.warpgroup(&own, "wgmma.mma_async", [&](void** operands) {
    WarpgroupProduct product{columns, rowsOfDepth, a, b, adds, own.compute, {}, 0, false, false};
    for (unsigned i = 0; i < kWarpgroupThreads; ++i) {
      const Own& other = *static_cast<const Own*>(operands[i]);
      if (!(other == own)) {
        block.fault("wgmma.mma_async: the warpgroup's threads multiply different operands");
      }
      product.sums[i] = other.sums;
    }
    block.warpgroups().multiplyAdd(product);
  });
}
template void multiplyAddTogether<BFloat16>(float*, int, bool, std::uint64_t, std::uint64_t, bool);
template void multiplyAddTogether<Float16>(float*, int, bool, std::uint64_t, std::uint64_t, bool);
template void multiplyAddTogether<float>(float*, int, bool, std::uint64_t, std::uint64_t, bool);

void Warpgroups::prepare() {
  count_ = divideUp(block_.threads(), kWarpgroupThreads);
  // As a compiler grants them that knows the block's size.
  const unsigned registers =
      std::min(kRegisters / block_.threads() / kRegisterStep * kRegisterStep, kMostRegisters);
  for (Warpgroup& group : groups_) {
    group.products.clear();
    group.group = 0;
    group.fenced = group.setsRegisters = false;
    group.sumsLeft.clear();
    group.registers = group.wantedRegisters = registers;
  }
}

Warpgroup& Warpgroups::current() { return groups_[block_.thread() / kWarpgroupThreads]; }

void Warpgroups::fence() {
  current().fenced = true;
  current().sumsLeft.clear();
}

void Warpgroups::multiplyAdd(const WarpgroupProduct& product) {
  Warpgroup& group = current();
  requireFenced(group, product);
  requireOperand(block_, product, product.a, kRows, "A");
  requireOperand(block_, product, product.b, product.columns, "B");
  group.products.push_back(product);
  group.products.back().group = group.group;
  // Copies that land early must meet products that are late.
  group.products.back().late = block_.asynchrony() == Asynchrony::random && block_.random() % 2 == 0;
  if (block_.asynchrony() == Asynchrony::earliest) compute(group, group.products.back());
}

/// Sums must be as the last product left them, as far as that is known.
void Warpgroups::requireFenced(const Warpgroup& group, const WarpgroupProduct& product) {
  if (!group.fenced) block_.fault("wgmma.mma_async: the warpgroup's first products lack a wgmma.fence");
  const auto left = group.sumsLeft.find(product.sums[0]);
  if (left == group.sumsLeft.end()) return;
  for (const WarpgroupProduct& other : group.products) {
    if (!other.done && other.sums[0] == product.sums[0]) return;
  }
  const std::size_t each = left->second.size() / kWarpgroupThreads;
  for (unsigned i = 0; i < kWarpgroupThreads; ++i) {
    if (std::memcmp(product.sums[i], &left->second[i * each], each * sizeof(float)) != 0) {
      block_.fault("wgmma.mma_async: its sums were written since the last product, without a wgmma.fence");
    }
  }
}

void Warpgroups::compute(Warpgroup& group, WarpgroupProduct& product) {
  if (product.done) return;
  product.compute(product, block_.shared());
  product.done = true;
  std::vector<float>& left = group.sumsLeft[product.sums[0]];
  left.clear();
  for (const float* const sums : product.sums) left.insert(left.end(), sums, sums + product.columns / 2);
}

void Warpgroups::await(unsigned groups) {
  Warpgroup& group = current();
  if (!group.products.empty() && group.products.back().group == group.group) {
    block_.fault("wgmma.wait_group: products were never committed");
  }
  while (!group.products.empty() && group.products.front().group + groups < group.group) {
    compute(group, group.products.front());
    group.products.pop_front();
  }
}

void Warpgroups::computeSomething() {
  constexpr unsigned kMoments = 256;  // of which one is it: each meeting of a warpgroup has 128
  const auto idle = [](const Warpgroup& group) { return group.products.empty(); };
  if (std::all_of(groups_.begin(), groups_.begin() + count_, idle) || block_.random() % kMoments != 0) return;
  Warpgroup& group = groups_[block_.random() % count_];
  const auto next = std::find_if(group.products.begin(), group.products.end(),
                                 [](const WarpgroupProduct& product) { return !product.done; });
  if (next != group.products.end() && !next->late) compute(group, *next);
}

void Warpgroups::requireNoneInFlight() {
  if (!current().products.empty()) block_.fault("ended with products of its warpgroup on their way");
}

void Warpgroups::wantRegisters(unsigned registers) {
  Warpgroup& group = current();
  if (registers < kLeastRegisters || registers > kMostRegisters || registers % kRegisterStep != 0) {
    block_.fault("setmaxnreg: there cannot be " + std::to_string(registers) + " registers");
  }
  if (group.setsRegisters) block_.fault("setmaxnreg: the warpgroup has set its registers before");
  group.setsRegisters = true;
  group.wantedRegisters = registers;
  grantRegisters();
}

/// To all who want them, as long as there are any.
void Warpgroups::grantRegisters() {
  unsigned used = 0;
  for (unsigned i = 0; i < count_; ++i) used += groups_[i].registers * kWarpgroupThreads;
  const auto grant = [&](Warpgroup& group) {
    const unsigned then = used + (group.wantedRegisters - group.registers) * kWarpgroupThreads;
    if (group.wantedRegisters == group.registers || then > std::max(used, kRegisters)) return;
    used = then;
    group.registers = group.wantedRegisters;
    ++grants_;
  };
  for (unsigned i = 0; i < count_; ++i) {
    if (groups_[i].wantedRegisters < groups_[i].registers) grant(groups_[i]);
  }
  for (unsigned i = 0; i < count_; ++i) grant(groups_[i]);
}

void Warpgroups::awaitRegisters() {
  while (current().registers != current().wantedRegisters) {
    block_.awaitChange(grants_, "setmaxnreg, for registers that others have");
  }
}

}  // namespace ocrnet::emulation

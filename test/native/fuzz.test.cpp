// Plans with changed bytes: each is refused with an Error, or runs within its arena and its bindings. Both
// are blocks of their own on the heap, so that a build with AddressSanitizer sees every step beyond them;
// without it, this test only shows that nothing crashes or hangs.

#include <cstdio>
#include <cstring>
#include <random>

#include "core/error.h"
#include "small-plan.h"

namespace {

using namespace ocrnet;

/// Larger plans are validated but not run.
constexpr std::uint64_t kMaxBytes = 1 << 21;
constexpr std::int64_t kMaxWindow = 64;

struct Tally {
  int refused = 0, loaded = 0, ran = 0, tooLarge = 0;
};

/// Blocks of exactly the size of each binding.
std::vector<std::unique_ptr<std::byte[]>> allocate(const Plan& plan, const std::vector<Binding>& bindings) {
  std::vector<std::unique_ptr<std::byte[]>> blocks;
  for (const auto& [name, tensor] : bindings) {
    const auto bytes = static_cast<std::size_t>(plan.tensors[tensor].spanBytes());
    blocks.push_back(std::make_unique<std::byte[]>(bytes));
    std::memset(blocks.back().get(), 100, bytes);
  }
  return blocks;
}

std::vector<std::byte*> addresses(const std::vector<std::unique_ptr<std::byte[]>>& blocks) {
  std::vector<std::byte*> list;
  for (const auto& block : blocks) list.push_back(block.get());
  return list;
}

bool isSmall(const Plan& plan) {
  std::uint64_t bytes = plan.arenaBytes;
  for (const TensorInfo& tensor : plan.tensors) bytes += static_cast<std::uint64_t>(tensor.spanBytes());
  if (bytes > kMaxBytes) return false;
  for (const Step& step : plan.steps) {
    // A window of any size may reach beyond a small picture: the time grows, the memory does not.
    const auto* pool = std::get_if<MaxPool2dAttributes>(&step.attributes);
    if (pool != nullptr && pool->kernel > kMaxWindow) return false;
  }
  return true;
}

void attempt(cpu::CpuBackend& backend, const std::shared_ptr<Weights>& weights,
             std::span<const std::byte> bytes, Tally& tally) {
  try {
    ValidPlan valid = checkMemory(checkTypes(decodePlan(bytes)));
    const Plan plan = valid.plan();
    if (!isSmall(plan)) {
      ++tally.tooLarge;
      return;
    }
    const auto executable = backend.load(std::move(valid), weights);
    ++tally.loaded;
    const auto inputs = allocate(plan, plan.inputs), outputs = allocate(plan, plan.outputs);
    const auto in = addresses(inputs), out = addresses(outputs);
    executable->run({in, out, Cancellation(nullptr, makeStopFlag()), {}});
    ++tally.ran;
  } catch (const Error&) {
    ++tally.refused;
  }
}

}  // namespace

int main() {
  cpu::CpuBackend backend(cpu::describeDevice(1));
  backend.startThread();
  const test::PlanDraft draft = test::smallPlan(backend);
  const std::vector<std::byte> good = test::encode(draft);
  const auto weights = test::smallWeights(draft);
  Tally tally;
  attempt(backend, weights, good, tally);
  if (tally.ran != 1) {
    std::printf("FAILED: the plan does not run before it is changed\n");
    return 1;
  }

  std::vector<std::byte> changed = good;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {0x01, 0x04, 0x80, 0xff}) {
      changed[i] = good[i] ^ static_cast<std::byte>(flip);
      attempt(backend, weights, changed, tally);
    }
    changed[i] = good[i];
  }

  std::mt19937 random(1);
  const auto below = [&](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  for (int round = 0; round < 50000; ++round) {
    changed = good;
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes; ++i) {
      // Whole words, which other words of the plan replace half the time: they are more often plausible.
      const std::size_t word = below(good.size() / 4);
      const auto value = static_cast<std::uint32_t>(below(2) == 0 ? below(32) : random());
      if (below(2) == 0) {
        std::memcpy(changed.data() + 4 * word, good.data() + 4 * below(good.size() / 4), 4);
      } else {
        std::memcpy(changed.data() + 4 * word, &value, 4);
      }
    }
    attempt(backend, weights, changed, tally);
  }

  std::printf("fuzz: %d refused, %d loaded, %d ran, %d too large to run\n", tally.refused, tally.loaded,
              tally.ran, tally.tooLarge);
  // Enough must get through for the runs to mean something.
  return tally.ran > 100 ? 0 : 1;
}

#include <cstring>

#include "cpu/ops/optimiser.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareAllReduce(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  requireGroup(step);
  return preparedStep([average = step.attributes<AllReduceAttributes>().average,
                       count = step.input(0)->elements(),
                       threads = device.threads](const StepMemory& memory) {
    auto* const y = memory.out<float>(0);
    keepRest(memory, 0, 0, count);
    memory.group->meet(std::as_writable_bytes(std::span(y, count)), [&](MemberMemories memories) {
      // Each member adds up one part, for all: no sum is computed twice, and who writes it alone has read it.
      const Range share = memory.group->place.share(count);
      parallel(threads, share.size(), kElementGrain, [&](Range range, int) {
        reduceRange(memories, {share.first + range.first, share.first + range.end}, average);
      });
    });
  });
}

}  // namespace

const Op allReduceOp{.choose = withoutScratch, .prepare = prepareAllReduce};

}  // namespace ocrnet::cpu

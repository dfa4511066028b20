#include <cstring>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"
#include "runtime/concat-parts.h"

namespace ocrnet::cpu {

namespace {

std::unique_ptr<PreparedStep> prepareConcat(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo& y = *step.output(0);
  const std::int64_t elementBytes = bytesPerElement(y.dataType);
  return preparedStep([parts = concatParts(step), stride = y.pixelStride * elementBytes,
                       bytes = y.channels() * elementBytes, pixels = y.pixels(),
                       threads = device.threads](const StepMemory& memory) {
    if (parts.empty()) return;
    parallel(threads, pixels, pixelGrain(bytes), [&](Range range, int) {
      for (std::int64_t pixel = range.first; pixel < range.end; ++pixel) {
        std::byte* const target = memory.outputs[0] + pixel * stride;
        for (const ConcatPart& part : parts) {
          std::memcpy(target + part.offset, memory.inputs[part.input] + pixel * part.stride, part.bytes);
        }
      }
    });
  });
}

}  // namespace

const Op concatOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepareConcat,
};

}  // namespace ocrnet::cpu

#include <cstring>
#include <vector>

#include "cpu/ops/direct.h"
#include "cpu/parallel.h"

namespace ocrnet::cpu {

namespace {

/// An input that is not yet in its place, in bytes.
struct Part {
  std::size_t input;
  std::int64_t bytes, stride, offset;  // of a pixel; from one pixel to the next; in the output's pixel
};

/// The compiler lets the producers of a concat write into its output where they can.
bool isInPlace(const TensorInfo& input, const TensorInfo& y, std::int64_t offset) {
  return input.storage == Storage::arena && y.storage == Storage::arena &&
         input.pixelStride == y.pixelStride && input.offset == y.offset + static_cast<std::uint64_t>(offset);
}

std::unique_ptr<PreparedStep> prepare(const StepDescription& step, const Device& device, Weights&) {
  requireChoice(step, Choice{});
  const TensorInfo& y = *step.output(0);
  const std::int64_t elementBytes = bytesPerElement(y.dataType);
  std::vector<Part> parts;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < step.inputCount(); ++i) {
    const TensorInfo* const x = step.input(i);
    if (!x) continue;
    const std::int64_t bytes = x->channels() * elementBytes;
    if (!isInPlace(*x, y, offset)) parts.push_back({i, bytes, x->pixelStride * elementBytes, offset});
    offset += bytes;
  }
  return preparedStep([=, parts = std::move(parts), stride = y.pixelStride * elementBytes,
                       pixels = y.pixels(), threads = device.threads](const StepMemory& memory) {
    if (parts.empty()) return;
    parallel(threads, pixels, pixelGrain(offset), [&](Range range, int) {
      for (std::int64_t pixel = range.first; pixel < range.end; ++pixel) {
        std::byte* const target = memory.outputs[0] + pixel * stride;
        for (const Part& part : parts) {
          std::memcpy(target + part.offset, memory.inputs[part.input] + pixel * part.stride, part.bytes);
        }
      }
    });
  });
}

}  // namespace

const Op concatOp{
    .choose = [](const StepDescription&, const Device&) { return Choice{}; },
    .prepare = prepare,
};

}  // namespace ocrnet::cpu

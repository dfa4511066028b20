#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

const Op attendPixelsOp{
    .choose =
        [](const StepDescription&, const Device& device) {
          requireSums(device);
          return Choice{};
        },
    .prepare =
        [](const StepDescription& step, const Device& device, Parameters&) {
          requireSums(device);
          requireChoice(step, Choice{});
          return preparedStep(
              [attention = Attention(step, device, step.attributes<AttendPixelsAttributes>().scale),
               queries = imageSets(*step.input(0)), keys = imageSets(*step.input(1)),
               logSumExp = targetOf(step.output(1), nullptr)](const StepMemory& memory, cudaStream_t stream) {
                Attention a = attention;
                a.locate(memory);
                a.enqueue(queries, keys, {}, {memory.outputs[1], logSumExp.stride}, false, stream);
              });
        },
};

}  // namespace ocrnet::cuda

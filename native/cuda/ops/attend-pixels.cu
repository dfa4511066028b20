#include "cuda/ops/pixel-attention.h"

namespace ocrnet::cuda {

const Op attendPixelsOp{
    .choose = withoutScratch,
    .prepare =
        [](const StepDescription& step, const Device&, Parameters&) {
          requireChoice(step, Choice{});
          return preparedStep(
              [attention = Attention(step, step.attributes<AttendPixelsAttributes>().scale),
               queries = imageSets(*step.input(0)), keys = imageSets(*step.input(1)),
               logSumExp = targetOf(step.output(1), nullptr)](const StepMemory& memory, cudaStream_t stream) {
                Attention a = attention;
                a.locate(memory);
                a.enqueue(queries, keys, {}, {memory.outputs[1], logSumExp.stride}, false, stream);
              });
        },
};

}  // namespace ocrnet::cuda

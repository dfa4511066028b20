#include "core/error.h"
#include "cuda/op.h"

namespace ocrnet::cuda {

namespace {

[[noreturn]] void refuse() {
  throw Error("UNSUPPORTED", "meets the other devices of a group, and GPUs do not train in groups");
}

}  // namespace

const Op allReduceOp{
    .choose = [](const StepDescription&, const Device&) -> Choice { refuse(); },
    .prepare = [](const StepDescription&, const Device&, Parameters&) -> std::unique_ptr<PreparedStep> {
      refuse();
    },
};

}  // namespace ocrnet::cuda

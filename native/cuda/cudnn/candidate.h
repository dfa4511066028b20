#pragma once

// cuDNN as an algorithm of convolutions beside our own. Nothing estimates it: it is a candidate where the
// library is there and has an engine, and runs where measurements have chosen it.

#include <optional>

#include "cuda/cudnn/convolution.h"
#include "cuda/op.h"

namespace ocrnet::cuda::cudnn {

/// Its number among an operation's algorithms, beyond those of any table.
inline constexpr std::uint32_t kAlgorithm = 1000;

/// Null where there is no cuDNN, or none that takes the step. The name says which version.
std::optional<Choice> candidate(Pass pass, const StepDescription& step, const Device& device);

/// Throws Error("UNSUPPORTED") with the reason where there is no candidate.
std::unique_ptr<PreparedStep> prepare(Pass pass, const StepDescription& step, const Device& device,
                                      Parameters& parameters);

/// An operation, and cuDNN among its candidates.
template <Pass pass, const Op& own>
inline constexpr Op kOperation{
    .choose = own.choose,
    .prepare =
        [](const StepDescription& step, const Device& device, Parameters& parameters) {
          if (step.step().algorithm == kAlgorithm) return prepare(pass, step, device, parameters);
          return own.prepare(step, device, parameters);
        },
    .candidates =
        [](const StepDescription& step, const Device& device) {
          std::vector<Choice> all = own.candidates(step, device);
          if (const std::optional<Choice> one = candidate(pass, step, device)) all.push_back(*one);
          return all;
        },
};

}  // namespace ocrnet::cuda::cudnn

#pragma once

// How a device chooses among several ways to compute a step. An Algorithm of its own making has
//   supports(problem, device),
//   estimate(problem, device) → AlgorithmEstimate, only for problems that it supports.

#include <span>
#include <string>
#include <vector>

#include "runtime/step-description.h"

namespace ocrnet {

/// What an algorithm would need for a problem.
struct AlgorithmEstimate {
  std::string name;
  double cost;  // in a unit of the device's own, in which its algorithms compare
  std::size_t scratchBytes;
};

/// The algorithms of one operation: a step's `algorithm` is an index.
template <class Algorithm>
using AlgorithmTable = std::span<const Algorithm* const>;

/// Of an estimate, with a name that lives as long as the process: there are only a few.
Choice choiceOf(std::uint32_t algorithm, const AlgorithmEstimate& estimate);

[[noreturn]] void refuseAlgorithm(const Step& step);

/// The one of least cost; where costs are equal the first. Some algorithm must support the problem.
template <class Algorithm, class Problem, class Device>
Choice chooseAlgorithm(AlgorithmTable<Algorithm> table, const Problem& problem, const Device& device) {
  std::uint32_t best = kUnchosen;
  AlgorithmEstimate bestEstimate{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    if (!table[i]->supports(problem, device)) continue;
    AlgorithmEstimate estimate = table[i]->estimate(problem, device);
    if (best != kUnchosen && estimate.cost >= bestEstimate.cost) continue;
    best = i;
    bestEstimate = std::move(estimate);
  }
  return choiceOf(best, bestEstimate);
}

/// All that support the problem, in the table's order: the first is what the others are compared with.
template <class Algorithm, class Problem, class Device>
std::vector<Choice> candidateAlgorithms(AlgorithmTable<Algorithm> table, const Problem& problem,
                                        const Device& device) {
  std::vector<Choice> candidates;
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    if (table[i]->supports(problem, device))
      candidates.push_back(choiceOf(i, table[i]->estimate(problem, device)));
  }
  return candidates;
}

/// The step's algorithm; throws Error("INVALID_PLAN") unless it is one of the table's for the problem, with
/// the scratch that it needs.
template <class Algorithm, class Problem, class Device>
const Algorithm& requireAlgorithm(AlgorithmTable<Algorithm> table, const Problem& problem,
                                  const StepDescription& step, const Device& device) {
  const std::uint32_t number = step.step().algorithm;
  if (number >= table.size() || !table[number]->supports(problem, device)) refuseAlgorithm(step.step());
  const Algorithm& algorithm = *table[number];
  requireChoice(step, {number, "", algorithm.estimate(problem, device).scratchBytes});
  return algorithm;
}

/// An operation of a device whose steps, as describe(step) has them, are problems of one table.
template <class Op, class Algorithm, const auto& algorithms, auto describe>
inline constexpr Op kTabledOp{
    .choose =
        [](const StepDescription& step, const auto& device) {
          return chooseAlgorithm<Algorithm>(algorithms, describe(step), device);
        },
    .prepare =
        [](const StepDescription& step, const auto& device, auto& parameters) {
          const auto problem = describe(step);
          return requireAlgorithm<Algorithm>(algorithms, problem, step, device)
              .prepare(problem, step, device, parameters);
        },
    .candidates =
        [](const StepDescription& step, const auto& device) {
          return candidateAlgorithms<Algorithm>(algorithms, describe(step), device);
        },
};

}  // namespace ocrnet

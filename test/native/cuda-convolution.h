#pragma once

// Convolutions on the GPU by each of their algorithms in turn, not by the one that would be chosen.

#include <cmath>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "convolution-case.h"
#include "cuda/conv/algorithm.h"

namespace ocrnet::test {

struct ForcedAlgorithm {
  std::uint32_t number;
  bool tf32;           // whether the device may round products of float32
  std::string name;    // of the algorithm, once it was asked for
  bool hopper = true;  // whether it may be one of those that nothing estimates
};
inline ForcedAlgorithm forced;

/// The algorithm supports no such problem.
struct Unsupported : std::exception {};

/// `op` with its choice taken away: `table` are its algorithms.
template <const auto& table, auto describe, const cuda::Op& op>
inline const cuda::Op kForcedOp{
    .choose = [](const StepDescription& step, const cuda::Device& device) -> Choice {
      cuda::Device other = device;
      other.tf32 = forced.tf32;
      const cuda::conv::Algorithm& algorithm = *table[forced.number];
      const cuda::conv::Problem problem = describe(step);
      if (!algorithm.supports(problem, other)) throw Unsupported();
      const cuda::conv::Estimate estimate = algorithm.estimate(problem, other);
      if (std::isinf(estimate.cost) && !forced.hopper) throw Unsupported();
      forced.name = estimate.name;
      return {forced.number, "forced", estimate.scratchBytes};
    },
    .prepare =
        [](const StepDescription& step, const cuda::Device& device, cuda::Parameters& parameters) {
          cuda::Device other = device;
          other.tf32 = forced.tf32;
          return op.prepare(step, other, parameters);
        }};

/// Products of bfloat16 operands round each of them by 2⁻⁹, of float16 and tf32 by 2⁻¹¹ at most; see
/// conv2d-gradients.test.cpp for float32.
inline double forcedTolerance(const Configuration& configuration) {
  if (configuration.type != DataType::float32) return configuration.tolerance();
  return forced.name.find("tf32") == std::string::npos ? 1e-5 : 1e-3;
}

/// check() by each of `algorithms` algorithms that supports the case; in float32 also with rounded products
/// where that makes a difference. Those of Hopper have a test of their own: here one schedule is enough.
template <class Check>
void byEachAlgorithm(const Configuration& configuration, std::size_t algorithms, const ConvolutionCase& c,
                     const Check& check) {
  int ran = 0;
  for (std::uint32_t number = 0; number < algorithms; ++number) {
    std::string strictName;
    for (const bool tf32 : {false, true}) {
      if (tf32 && configuration.type != DataType::float32) continue;
      forced = {number, tf32, "", configuration.schedule == Schedule::random};
      try {
        check();
        ++ran;
      } catch (const Unsupported&) {
        break;
      } catch (const std::exception& error) {
        throw std::runtime_error(c.describe() + "by " + forced.name + ": " + error.what());
      }
      if (!tf32 && forced.name.find("float32") == std::string::npos) break;
    }
  }
  require(ran > 0, "no algorithm ran");
}

inline std::int32_t number(std::int64_t value) { return static_cast<std::int32_t>(value); }

}  // namespace ocrnet::test

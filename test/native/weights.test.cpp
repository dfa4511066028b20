// Parameters and their packed forms: what is held when, and that values come back.

#include "runtime/weights.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "core/error.h"

namespace {

using ocrnet::Packing;
using ocrnet::Weights;

constexpr std::int64_t kShape[] = {2, 3};
constexpr float kValues[] = {1, 2, 3, 4, 5, 6};
constexpr std::size_t kBytes = sizeof kValues;

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

/// The values from last to first: a permutation, as packed filters are.
Packing reversed(const char* layout, int* packed) {
  return {.layout = layout,
          .bytes = kBytes,
          .pack =
              [=](const float* from, std::byte* to) {
                ++*packed;
                std::reverse_copy(from, from + 6, reinterpret_cast<float*>(to));
              },
          .unpack =
              [](const std::byte* from, float* to) {
                const auto* values = reinterpret_cast<const float*>(from);
                std::reverse_copy(values, values + 6, to);
              }};
}

bool holdsValues(Weights& weights) {
  return std::ranges::equal(std::span(weights.values("w", kShape)->as<float>(), 6), kValues);
}

void freesValuesThatAPackedFormHolds(Weights& weights) {
  int packed = 0;
  const Weights::Buffer first = weights.packed("w", kShape, reversed("a", &packed));
  require(weights.bytes() == kBytes, "holds the values beside their packed form");
  require(first->as<float>()[0] == 6, "did not pack");
  require(weights.packed("w", kShape, reversed("a", &packed)) == first && packed == 1,
          "packed one layout twice");
  weights.packed("w", kShape, reversed("b", &packed));
  require(packed == 2 && weights.bytes() == 2 * kBytes, "holds more than two packed forms");
  require(holdsValues(weights), "did not turn the packed form back");
}

void keepsValuesWherePackingLosesBits(Weights& weights) {
  int packed = 0;
  Packing lossy = reversed("lossy", &packed);
  lossy.unpack = nullptr;
  weights.packed("w", kShape, lossy);
  require(weights.bytes() == 2 * kBytes && holdsValues(weights), "lost the values");
}

void keepsValuesAliveForTheirHolder(Weights& weights) {
  int packed = 0;
  const Weights::Buffer values = weights.values("w", kShape);
  weights.packed("w", kShape, reversed("a", &packed));
  require(std::ranges::equal(std::span(values->as<float>(), 6), kValues), "freed what is in use");
}

void refusesOtherNamesAndShapes(Weights& weights) {
  constexpr std::int64_t other[] = {3, 2};
  int packed = 0;
  const auto refused = [](auto act) {
    try {
      act();
    } catch (const ocrnet::Error& error) {
      return std::string(error.code()) == "INVALID_WEIGHTS";
    }
    return false;
  };
  require(refused([&] { weights.require("v", kShape); }), "took an unknown name");
  require(refused([&] { weights.require("w", other); }), "took another shape");
  require(refused([&] { weights.values("w", other); }), "gave values of another shape");
  weights.packed("w", kShape, reversed("a", &packed));
  require(refused([&] { weights.packed("w", other, reversed("a", &packed)); }),
          "gave a form of another shape");
  require(refused([&] { weights.set("w", {2, 3}, kValues); }), "took a name twice");
  require(refused([&] { weights.set("u", {2, 2}, kValues); }), "took too many values");
}

}  // namespace

int main() {
  int failures = 0;
  for (const auto test : {freesValuesThatAPackedFormHolds, keepsValuesWherePackingLosesBits,
                          keepsValuesAliveForTheirHolder, refusesOtherNamesAndShapes}) {
    Weights weights;
    weights.set("w", {2, 3}, kValues);
    try {
      test(weights);
    } catch (const std::exception& error) {
      std::printf("weights: %s\n", error.what());
      ++failures;
    }
  }
  std::printf("weights: %d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

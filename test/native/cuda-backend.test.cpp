// Loaded plans on the GPU, or on the emulated one: graphs, the arena that all plans share, steps' times,
// state, and errors after which the device works again.

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "core/error.h"
#include "cuda/backend.h"
#include "small-plan.h"
#ifdef OCRNET_EMULATION
#include "emulation/launch.h"
#endif

namespace {

using namespace ocrnet;
using namespace ocrnet::test;

int failures = 0;

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

Cancellation never() { return {nullptr, makeStopFlag()}; }

/// x (1, size, size, 8) → activation(x · scale + shift) + x, by way of the arena.
PlanDraft affinePlan(const Backend& backend, std::int64_t size) {
  const std::uint32_t relu = 1;
  PlanDraft p;
  const std::vector<std::int64_t> shape{1, size, size, 8};
  const auto x = p.input("x", DataType::float32, shape), y = p.output("y", DataType::float32, shape);
  const auto scale = p.parameter("scale", {8}), shift = p.parameter("shift", {8});
  const auto between = p.arena(DataType::float32, shape);
  p.step(Opcode::scaleShift, {x, scale, shift}, {between}, {relu, 0});
  p.step(Opcode::add, {between, x}, {y}, {0, 0});
  const std::vector<StepChoice> choices = backend.inspect(checkTypes(decodePlan(encode(p))));
  for (std::size_t i = 0; i < choices.size(); ++i) p.steps[i].algorithm = choices[i].algorithm;
  return p;
}

ValidPlan valid(const PlanDraft& plan) { return checkMemory(checkTypes(decodePlan(encode(plan)))); }

std::vector<float> inputOf(std::int64_t size) {
  std::vector<float> x(static_cast<std::size_t>(size * size * 8));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.1f * static_cast<float>(i % 41) - 2;
  return x;
}

/// Runs the plan of affinePlan and compares.
void requireRight(Executable& executable, std::int64_t size, Weights& weights,
                  std::span<double> stepMs = {}) {
  std::vector<float> x = inputOf(size), y(x.size(), -1);
  std::byte* const input = reinterpret_cast<std::byte*>(x.data());
  std::byte* const output = reinterpret_cast<std::byte*>(y.data());
  const Cancellation cancellation = never();
  executable.run({std::span(&input, 1), std::span(&output, 1), cancellation, stepMs});
  constexpr std::int64_t kEight[] = {8};
  const Weights::Buffer scale = weights.values("scale", kEight), shift = weights.values("shift", kEight);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float sum = x[i] * scale->as<float>()[i % 8] + shift->as<float>()[i % 8];
    const float expected = std::max(sum, 0.0f) + x[i];
    require(std::abs(y[i] - expected) <= 1e-6f, "element " + std::to_string(i) + " is wrong");
  }
}

void testGraphFollowsTheArena() {
  const auto backend = cuda::openBackend({});
  const PlanDraft small = affinePlan(*backend, 3), large = affinePlan(*backend, 9);
  const auto weights = smallWeights(small);
  const auto first = backend->load(valid(small), weights);
  requireRight(*first, 3, *weights);
  requireRight(*first, 3, *weights);  // the graph alone
  {
    const auto second = backend->load(valid(large), weights);
    require(backend->arenaBytes() == large.arenaBytes, "the arena is not as large as the largest plan");
    requireRight(*second, 9, *weights);
    requireRight(*first, 3, *weights);
    requireRight(*second, 9, *weights);
  }
  require(backend->arenaBytes() == 0, "the arena outlived the plan that needed it");
  requireRight(*first, 3, *weights);
}

void testTimesOfSteps() {
  const auto backend = cuda::openBackend({});
  const PlanDraft plan = affinePlan(*backend, 5);
  const auto weights = smallWeights(plan);
  const auto executable = backend->load(valid(plan), weights);
  std::vector<double> stepMs(2, -1);
  requireRight(*executable, 5, *weights, stepMs);
  for (const double ms : stepMs) require(ms >= 0, "a step has no time");
}

void requireCode(const char* code, const std::function<void()>& act, const std::string& words) {
  try {
    act();
  } catch (const Error& error) {
    require(std::string(error.code()) == code,
            std::string("expected ") + code + ", received " + error.code());
    require(std::string(error.what()).find(words) != std::string::npos,
            std::string("expected \"") + words + "\" in: " + error.what());
    return;
  }
  throw std::runtime_error(std::string("expected an error with ") + code);
}

void testErrors() {
  const auto backend = cuda::openBackend({});
  PlanDraft plan = affinePlan(*backend, 3);
  const auto weights = smallWeights(plan);
  requireCode(
      "INVALID_WEIGHTS", [&] { backend->load(valid(plan), std::make_shared<Weights>()); }, "scale");
  PlanDraft huge = plan;
  huge.arenaBytes = std::uint64_t{1} << 34;
  requireCode(
      "OUT_OF_MEMORY", [&] { backend->load(valid(huge), weights); }, "are free");
  PlanDraft other = plan;
  other.steps[0].algorithm = 99;
  requireCode(
      "INVALID_PLAN", [&] { backend->load(valid(other), weights); }, "expected algorithm");
  requireCode(
      "DEVICE_UNAVAILABLE", [] { cuda::openBackend({.index = 99}); }, "received 99");
  requireRight(*backend->load(valid(plan), weights), 3, *weights);

  const StopFlag stop = makeStopFlag();
  stop->store(true);
  const Cancellation aborted(stop, makeStopFlag());
  const auto executable = backend->load(valid(plan), weights);
  std::vector<float> x = inputOf(3), y = x;
  std::byte* const input = reinterpret_cast<std::byte*>(x.data());
  std::byte* const output = reinterpret_cast<std::byte*>(y.data());
  requireCode(
      "ABORTED",
      [&] {
        executable->run({std::span(&input, 1), std::span(&output, 1), aborted, {}});
      },
      "aborted");
  requireRight(*executable, 3, *weights);
}

#ifdef OCRNET_EMULATION
/// As on hardware, where nothing that a process has on a GPU survives a kernel's fault.
void testFaultAndReopening() {
  auto backend = cuda::openBackend({});
  const PlanDraft plan = affinePlan(*backend, 3);
  const auto weights = smallWeights(plan);
  auto executable = backend->load(valid(plan), weights);
  State state(backend->memory());
  state.add("numbers", 5);
  requireRight(*executable, 3, *weights);
  emulation::launchGrid({"planted", dim3(1), dim3(2000), 0, [] {}}, nullptr);
  requireCode(
      "EXECUTION_FAILED", [&] { requireRight(*executable, 3, *weights); }, "planted");
  requireCode(
      "EXECUTION_FAILED", [&] { backend->load(valid(plan), weights); }, "planted");
  const auto reopened = cuda::openBackend({});
  executable.reset();
  backend.reset();
  requireRight(*reopened->load(valid(plan), weights), 3, *weights);
}
#endif

void testStateIsKept() {
  const auto backend = cuda::openBackend({});
  State state(backend->memory());
  state.add("numbers", 5);
  std::vector<float> read(5, -1);
  state.read(state.block("numbers"), read);
  for (const float x : read) require(x == 0, "new state is not zero");
  const std::vector<float> written{1, 2, 3};
  state.write(written, state.range("numbers", 1, 3));
  state.read(state.block("numbers"), read);
  require(read == std::vector<float>{0, 1, 2, 3, 0}, "state does not hold what was written");
}

void run(const char* name, void (*body)()) {
  try {
    body();
  } catch (const std::exception& error) {
    std::printf("%s: %s\n", name, error.what());
    ++failures;
  }
}

}  // namespace

int main() {
  run("graph follows the arena", testGraphFollowsTheArena);
  run("times of steps", testTimesOfSteps);
  run("errors", testErrors);
  run("state is kept", testStateIsKept);
#ifdef OCRNET_EMULATION
  run("fault and reopening", testFaultAndReopening);
#endif
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

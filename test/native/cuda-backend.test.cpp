// Loaded plans on the GPU, or on the emulated one: graphs, the arena that all plans share, runs that overlap,
// steps' times, state, and errors after which the device works again.

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

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
  chooseAlgorithms(p, backend);
  return p;
}

ValidPlan valid(const PlanDraft& plan) { return checkMemory(checkTypes(decodePlan(encode(plan)))); }

std::vector<float> inputOf(std::int64_t size, int seed = 0) {
  std::vector<float> x(static_cast<std::size_t>(size * size * 8));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.1f * static_cast<float>((i + seed * 7) % 41) - 2;
  return x;
}

/// A run of the plan of affinePlan, with numbers that depend on the seed.
class AffineRun {
 public:
  AffineRun(Executable& executable, std::int64_t size, Weights& weights, int seed = 0,
            const Cancellation& cancellation = never(), std::span<double> stepMs = {},
            std::span<double> repeatMs = {})
      : weights_(weights), x_(inputOf(size, seed)), y_(x_.size(), -1), cancellation_(cancellation) {
    run_ = executable.start({std::span(&input_, 1), std::span(&output_, 1), cancellation_, stepMs, repeatMs});
  }

  void finish() { std::exchange(run_, nullptr)->finish(); }
  bool isRight() const {
    constexpr std::int64_t kEight[] = {8};
    const Weights::Buffer scale = weights_.values("scale", kEight), shift = weights_.values("shift", kEight);
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const float sum = x_[i] * scale->as<float>()[i % 8] + shift->as<float>()[i % 8];
      if (!(std::abs(y_[i] - (std::max(sum, 0.0f) + x_[i])) <= 1e-6f)) return false;
    }
    return true;
  }

 private:
  Weights& weights_;
  std::vector<float> x_, y_;
  std::byte *const input_ = reinterpret_cast<std::byte*>(x_.data()), *const output_ =
                                                                         reinterpret_cast<std::byte*>(
                                                                             y_.data());
  const Cancellation cancellation_;
  std::unique_ptr<StartedRun> run_;
};

/// Runs the plan of affinePlan and compares.
void requireRight(Executable& executable, std::int64_t size, Weights& weights,
                  std::span<double> stepMs = {}) {
  AffineRun run(executable, size, weights, 0, never(), stepMs);
  run.finish();
  require(run.isRight(), "a wrong result");
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
  requireCode(
      "ABORTED", [&] { AffineRun(*executable, 3, *weights, 0, aborted); }, "aborted");
  requireRight(*executable, 3, *weights);
}

/// Runs of two plans, always two in flight; how many came out right, of how many.
std::pair<int, int> overlap() {
  const auto backend = cuda::openBackend({});
  const PlanDraft small = affinePlan(*backend, 3), large = affinePlan(*backend, 9);
  const auto weights = smallWeights(small);
  const std::unique_ptr<Executable> plans[] = {backend->load(valid(small), weights),
                                               backend->load(valid(large), weights)};
  constexpr int kRuns = 12;
  constexpr int kOrder[kRuns] = {0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1};
  std::vector<std::unique_ptr<AffineRun>> runs;
  int right = 0;
  const auto finish = [&](std::size_t i) {
    runs[i]->finish();
    right += runs[i]->isRight();
  };
  for (int i = 0; i < kRuns; ++i) {
    if (i >= 2) finish(i - 2);
    const int plan = kOrder[i];
    runs.push_back(std::make_unique<AffineRun>(*plans[plan], plan == 0 ? 3 : 9, *weights, i));
  }
  finish(kRuns - 2), finish(kRuns - 1);
  return {right, kRuns};
}

void testRunsOverlap() {
  const auto requireAllRight = [](const std::string& when) {
    const auto [right, all] = overlap();
    require(right == all,
            std::to_string(right) + " of " + std::to_string(all) + " overlapping runs are right" + when);
  };
#ifdef OCRNET_EMULATION
  using emulation::Asynchrony;
  for (const Asynchrony asynchrony : {Asynchrony::earliest, Asynchrony::latest, Asynchrony::random}) {
    for (std::uint32_t seed = 1; seed <= (asynchrony == Asynchrony::random ? 20u : 1u); ++seed) {
      emulation::setPolicy({.asynchrony = asynchrony, .seed = seed});
      requireAllRight(", asynchrony " + std::to_string(static_cast<int>(asynchrony)) + ", seed " +
                      std::to_string(seed));
    }
  }
#ifndef __SANITIZE_ADDRESS__  // which ends the process when kernels come too late to their memory
  // Streams that do not wait for each other: the emulation tells.
  emulation::setPolicy({.forgetsWaits = true});
  bool noticed = false;
  try {
    const auto [right, all] = overlap();
    noticed = right < all;
  } catch (const Error&) {
    noticed = true;
  }
  require(noticed, "streams that wait for nobody are not noticed");
#endif
  emulation::setPolicy({});
#endif
  requireAllRight("");
}

void testOverlappingMeasurements() {
  const auto backend = cuda::openBackend({});
  const PlanDraft plan = affinePlan(*backend, 5);
  const auto weights = smallWeights(plan);
  const auto executable = backend->load(valid(plan), weights);
  std::vector<double> stepMs(2, -1), repeatMs(3, -1);
  AffineRun stepwise(*executable, 5, *weights, 1, never(), stepMs);
  AffineRun repeated(*executable, 5, *weights, 2, never(), {}, repeatMs);
  bool refused = false;
  try {
    AffineRun(*executable, 5, *weights);
  } catch (const std::logic_error&) {
    refused = true;
  }
  require(refused, "a run was started for which there is no slot");
  for (AffineRun* const run : {&stepwise, &repeated}) {
    run->finish();
    require(run->isRight(), "a measured run is wrong");
  }
  for (const std::vector<double>& times : {stepMs, repeatMs}) {
    for (const double ms : times) require(ms >= 0, "a measured run has no time");
  }
}

/// Labels (1, 8, 8) of five classes, by the plan itself, to a loss of three.
PlanDraft lossPlan(const Backend& backend) {
  using enum DataType;
  const auto word = [](float value) { return std::bit_cast<std::uint32_t>(value); };
  PlanDraft p;
  const auto scores = p.input("scores", float32, {1, 8, 8, 5}),
             logits = p.input("logits", float32, {1, 8, 8, 3});
  const auto labels = p.arena(uint8, {1, 8, 8}), loss = p.output("loss", float32, {1});
  p.step(Opcode::resizeArgmax, {scores}, {labels}, {8, 8, 1, 0});
  p.step(Opcode::crossEntropy, {logits, labels}, {loss}, {word(1), 255, 0, 0, 0, 1});
  chooseAlgorithms(p, backend);
  return p;
}

/// What a step finds wrong is its own run's error, though another run was there before anybody looked.
void testRunsAreVerifiedApart() {
  const auto backend = cuda::openBackend({});
  const PlanDraft plan = lossPlan(*backend);
  const auto executable = backend->load(valid(plan), smallWeights(plan));
  const Cancellation cancellation = never();
  struct Loss {
    std::vector<float> scores, logits = std::vector<float>(8 * 8 * 3, 0.5f);
    float loss = -1;
    std::byte *inputs[2], *output = reinterpret_cast<std::byte*>(&loss);
    explicit Loss(int label) : scores(8 * 8 * 5) {
      for (std::size_t i = label; i < scores.size(); i += 5) scores[i] = 1;
      inputs[0] = reinterpret_cast<std::byte*>(scores.data());
      inputs[1] = reinterpret_cast<std::byte*>(logits.data());
    }
  };
  Loss good(1), bad(4), last(2);
  const auto start = [&](Loss& of) {
    return executable->start({of.inputs, std::span(&of.output, 1), cancellation, {}});
  };
  const auto requireLoss = [](const Loss& of) {
    require(std::abs(of.loss - std::log(3.0f)) < 1e-5f, "a wrong loss: " + std::to_string(of.loss));
  };
  auto first = start(good), second = start(bad);
  first->finish();
  first.reset();
  first = start(last);
  requireCode(
      "INVALID_DATA", [&] { second->finish(); }, "received 4");
  first->finish();
  requireLoss(good);
  requireLoss(last);
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
  {
    AffineRun first(*executable, 3, *weights), second(*executable, 3, *weights);
    emulation::launchGrid({"planted", dim3(1), dim3(2000), 0, 1, [] {}}, nullptr);
    for (AffineRun* const run : {&first, &second}) {
      requireCode(
          "EXECUTION_FAILED", [&] { run->finish(); }, "planted");
    }
  }
  requireCode(
      "EXECUTION_FAILED", [&] { requireRight(*executable, 3, *weights); }, "planted");
  const PlanDraft larger = affinePlan(*backend, 5);
  requireCode(
      "EXECUTION_FAILED", [&] { backend->load(valid(larger), weights); }, "planted");
  const auto reopened = cuda::openBackend({});
  requireCode(
      "EXECUTION_FAILED", [&] { requireRight(*executable, 3, *weights); }, "opened anew");
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
  run("runs overlap", testRunsOverlap);
  run("overlapping measurements", testOverlappingMeasurements);
  run("runs are verified apart", testRunsAreVerifiedApart);
  run("state is kept", testStateIsKept);
#ifdef OCRNET_EMULATION
  run("fault and reopening", testFaultAndReopening);
#endif
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

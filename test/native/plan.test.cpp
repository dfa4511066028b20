// Plans that must be refused, each one small change away from a plan that runs; and what the executor does
// with the good one.

#include <bit>
#include <cstdio>
#include <functional>
#include <limits>

#include "core/error.h"
#include "small-plan.h"

namespace {

using namespace ocrnet;
using test::PlanDraft;

int failures = 0;

void check(bool condition, const std::string& what) {
  if (condition) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

/// `act` must throw Error(code) with a message that contains `words`.
void expectError(const std::string& what, const std::string& code, const std::string& words,
                 const std::function<void()>& act) {
  try {
    act();
    check(false, what + " was accepted");
  } catch (const Error& error) {
    check(error.code() == code && std::string(error.what()).find(words) != std::string::npos,
          what + ": expected " + code + " with \"" + words + "\", received " + error.code() + ": " +
              error.what());
  }
}

ValidPlan validate(const PlanDraft& draft) {
  return checkMemory(checkTypes(decodePlan(test::encode(draft))));
}

struct Memory {
  std::vector<std::vector<std::byte>> inputs, outputs;
  std::vector<std::byte*> inputAddresses, outputAddresses;

  explicit Memory(const PlanDraft& plan) {
    for (const auto& [name, tensor] : plan.inputs) {
      inputs.emplace_back(static_cast<std::size_t>(plan.tensors[tensor].spanBytes()), std::byte{100});
    }
    for (const auto& [name, tensor] : plan.outputs) {
      outputs.emplace_back(static_cast<std::size_t>(plan.tensors[tensor].spanBytes()), std::byte{0xff});
    }
    for (auto& buffer : inputs) inputAddresses.push_back(buffer.data());
    for (auto& buffer : outputs) outputAddresses.push_back(buffer.data());
  }
};

void testRefusals(const PlanDraft& good) {
  struct Case {
    std::string what, words;
    std::function<void(PlanDraft&)> change;
  };
  const auto step = [](PlanDraft& plan, Opcode opcode) -> test::StepDraft& {
    for (auto& candidate : plan.steps) {
      if (candidate.opcode == opcode) return candidate;
    }
    throw std::logic_error("no such step");
  };
  const auto output = [&](PlanDraft& plan, Opcode opcode) -> TensorInfo& {
    return plan.tensors[step(plan, opcode).outputs[0]];
  };
  using enum Opcode;
  const std::vector<Case> cases{
      {"a size of zero", "a size of 0", [](PlanDraft& p) { p.tensors[0].shape[1] = 0; }},
      {"a product beyond 64 bits", "too many elements",
       [](PlanDraft& p) {
         p.tensors[0].shape = {0x7fffffff, 0x7fffffff, 0x7fffffff, 3};
       }},
      {"a span beyond 64 bits", "too many elements",
       [&](PlanDraft& p) {
         output(p, normalizeImage).shape = {1 << 19, 1 << 19, 1, 3};
         output(p, normalizeImage).pixelStride = 0xffffffff;
       }},
      {"a pixel stride below the channels", "pixel stride",
       [&](PlanDraft& p) { output(p, conv2d).pixelStride = 7; }},
      {"an input that is not dense", "must be dense", [](PlanDraft& p) { p.tensors[0].pixelStride = 4; }},
      {"a parameter in bytes", "in float32",
       [](PlanDraft& p) { p.tensors[p.parameters[0].tensor].dataType = DataType::uint8; }},
      {"two parameters of one name", "name is taken", [](PlanDraft& p) { p.parameters[1].name = "scale3"; }},
      {"a binding to no tensor", "there is no tensor", [](PlanDraft& p) { p.inputs[0].tensor = 999; }},
      {"a binding to another's tensor", "not its own",
       [](PlanDraft& p) { p.outputs[0].tensor = p.outputs[1].tensor; }},
      {"a tensor that nothing is bound to", "is bound to it",
       [](PlanDraft& p) { p.tensors.push_back(TensorInfo(p.tensors[p.inputs[0].tensor])); }},
      {"a tensor of another type in an output's memory", "is bound to it",
       [&](PlanDraft& p) { output(p, resizeTaps).index = p.tensors[p.outputs[1].tensor].index; }},
      {"a tensor somewhere in an output's memory", "at the start of its output",
       [&](PlanDraft& p) { output(p, resizeTaps).offset = 4; }},
      {"an output that another tensor was written over", "is never written",
       [&](PlanDraft& p) { p.outputs[3].tensor = step(p, resizeTaps).outputs[0]; }},
      {"a required input that is absent", "is absent",
       [&](PlanDraft& p) { step(p, conv2d).inputs[1] = kAbsent; }},
      {"an input that is no tensor", "there is no tensor",
       [&](PlanDraft& p) { step(p, conv2d).inputs[0] = 999; }},
      {"a step without outputs", "absent", [&](PlanDraft& p) { step(p, add).outputs[0] = kAbsent; }},
      {"a write to a parameter", "must not be a parameter",
       [&](PlanDraft& p) { step(p, scaleShift).outputs[0] = p.parameters[0].tensor; }},
      {"an operation that is compiled away", "compiled away",
       [&](PlanDraft& p) {
         auto& s = step(p, add);
         const auto vector = step(p, scaleShift).inputs[1];
         s = {batchNorm, s.path, {s.inputs[0], vector, vector, vector, vector}, s.outputs, {0}, 0};
       }},
      {"a slice where none may be read", "cannot read a slice",
       [&](PlanDraft& p) { p.tensors[step(p, resizeArgmax).inputs[0]].pixelStride = 8; }},
      {"a slice where none may be written", "cannot write a slice",
       [&](PlanDraft& p) { output(p, spatialSoftmax).pixelStride = 8; }},
      {"a slice of what is no map", "cannot write a slice as its output \"means\"",
       [&](PlanDraft& p) {
         p.tensors[step(p, conv2dMoments).outputs[1]].shape = {1, 4, 1, 1};
       }},
      {"moments of another shape", "expected moments of x as float32[1×8], received float32[8]",
       [&](PlanDraft& p) { step(p, batchNormTraining).inputs[7] = step(p, batchNormTraining).inputs[1]; }},
      {"means without squares", "expected both means and squares, or neither, received means alone",
       [&](PlanDraft& p) { step(p, batchNormTraining).inputs[7] = kAbsent; }},
      {"moments of a batch norm that is frozen", "no moments where it is frozen, received float32[1×8]",
       [&](PlanDraft& p) { step(p, batchNormTraining).attributes[2] = 1; }},
      {"a filter that does not fit where moments are found", "fits x in 3 groups",
       [&](PlanDraft& p) { step(p, conv2dMoments).attributes[3] = 3; }},
      {"scores of 16 bits to gather by", "expected logits in float32, received bfloat16[1×8×8×8]",
       [&](PlanDraft& p) { step(p, gatherRegions).inputs[0] = step(p, cast).outputs[0]; }},
      {"features of another size to gather", "of the features' size",
       [&](PlanDraft& p) { step(p, gatherRegions).inputs[1] = step(p, maxPool2d).outputs[0]; }},
      {"an output of another shape", "must be float32[1×8×8×8]",
       [&](PlanDraft& p) { step(p, conv2d).outputs[0] = step(p, conv2d).inputs[0]; }},
      {"a filter that does not fit", "fits x in 3 groups",
       [&](PlanDraft& p) { step(p, conv2d).attributes[3] = 3; }},
      {"a stride of zero", "above zero", [&](PlanDraft& p) { step(p, conv2d).attributes[0] = 0; }},
      {"a negative padding", "padding", [&](PlanDraft& p) { step(p, maxPool2d).attributes[2] = 0xffffffff; }},
      {"an attribute beyond all sense", "at most",
       [&](PlanDraft& p) { step(p, conv2d).attributes[2] = 0x7fffffff; }},
      {"an enum out of range", "activation", [&](PlanDraft& p) { step(p, conv2d).attributes[4] = 4; }},
      {"a bool that is neither", "alignCorners",
       [&](PlanDraft& p) { step(p, resizeBilinear).attributes[2] = 2; }},
      {"a float that is not finite", "finite",
       [&](PlanDraft& p) {
         step(p, spatialSoftmax).attributes[0] =
             std::bit_cast<std::uint32_t>(std::numeric_limits<float>::quiet_NaN());
       }},
      {"a tensor beyond the arena", "within the arena",
       [&](PlanDraft& p) { output(p, normalizeImage).offset = p.arenaBytes - 4; }},
      {"an offset that wraps", "within the arena",
       [&](PlanDraft& p) { output(p, normalizeImage).offset = 0xfffffffffffffffc; }},
      {"an offset between elements", "divisible",
       [&](PlanDraft& p) { output(p, normalizeImage).offset = 2; }},
      {"an arena beyond all sense", "arena", [](PlanDraft& p) { p.arenaBytes = std::uint64_t{1} << 50; }},
      {"an output over its input", "overlaps its input",
       [&](PlanDraft& p) {
         output(p, spatialSoftmax).offset = p.tensors[step(p, spatialSoftmax).inputs[0]].offset;
       }},
      {"an output half over the input that it may replace", "overlaps its input",
       [&](PlanDraft& p) { output(p, activate).offset -= 4; }},
      {"two slices that share a channel", "overlaps its input",
       [&](PlanDraft& p) { output(p, scaleShift).offset -= 4; }},
      {"a concat over the wrong half", "overlaps its input",
       [&](PlanDraft& p) { std::swap(step(p, concat).inputs[0], step(p, concat).inputs[1]); }},
      {"scratch over an input", "scratch overlaps",
       [&](PlanDraft& p) {
         step(p, maxPool2d).scratchBytes = 64;
         step(p, maxPool2d).scratchOffset = p.tensors[step(p, maxPool2d).inputs[0]].offset;
       }},
      {"scratch beyond the arena", "within the arena",
       [&](PlanDraft& p) {
         step(p, maxPool2d).scratchBytes = 65;
         step(p, maxPool2d).scratchOffset = p.arenaBytes - 64;
       }},
      {"scratch that is not aligned", "divisible",
       [&](PlanDraft& p) {
         step(p, maxPool2d).scratchBytes = 8;
         step(p, maxPool2d).scratchOffset = p.arenaBytes - 8;
       }},
      {"a read before the write", "was not written", [](PlanDraft& p) { std::swap(p.steps[0], p.steps[1]); }},
      {"a read of half a wide tensor", "was not written",
       [&](PlanDraft& p) {
         std::erase_if(p.steps, [](auto& s) { return s.opcode == scaleShift || s.path == "step3"; });
       }},
      {"a read after scratch went over it", "was overwritten",
       [&](PlanDraft& p) {
         step(p, maxPool2d).scratchBytes = 64;
         step(p, maxPool2d).scratchOffset = output(p, spatialSoftmax).offset - 64;  // the class scores
       }},
      {"a read of what was overwritten", "was overwritten",
       [&](PlanDraft& p) { step(p, resizeBilinear).inputs[1] = step(p, add).inputs[0]; }},
      {"an output that nothing writes", "is never written", [](PlanDraft& p) { p.steps.pop_back(); }},
      {"an output that is written twice", "a second time",
       [](PlanDraft& p) { p.steps.push_back(p.steps.back()); }},
      {"a step without an algorithm", "no algorithm", [](PlanDraft& p) { p.steps[0].algorithm = kUnchosen; }},
      {"text that is not UTF-8", "not UTF-8", [](PlanDraft& p) { p.steps[0].path = "\xc0\xaf"; }},
  };
  for (const auto& [what, words, change] : cases) {
    PlanDraft plan = good;
    change(plan);
    expectError(what, "INVALID_PLAN", words, [&] { validate(plan); });
  }
}

void testBytes(const PlanDraft& good) {
  const std::vector<std::byte> bytes = test::encode(good);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    try {
      decodePlan(std::span(bytes).first(length));
      check(false, "a plan cut to " + std::to_string(length) + " bytes was accepted");
    } catch (const Error&) {
    }
  }
  const auto withWord = [&](std::size_t index, std::uint32_t value) {
    auto changed = bytes;
    for (int i = 0; i < 4; ++i) changed[4 * index + i] = static_cast<std::byte>(value >> 8 * i);
    return changed;
  };
  expectError("another magic", "INVALID_PLAN", "0x5052434f, received 0x00000001",
              [&] { decodePlan(withWord(0, 1)); });
  expectError("another version", "INVALID_PLAN", "received 77", [&] { decodePlan(withWord(1, 77)); });
  expectError("another fingerprint", "INVALID_PLAN", "received 0x0000beef",
              [&] { decodePlan(withWord(2, 0xbeef)); });
  for (const std::size_t count : {5, 6, 7, 8, 9, 10}) {
    expectError("a count beyond the bytes", "INVALID_PLAN", "",
                [&] { decodePlan(withWord(count, 0xffffffff)); });
  }
  auto longer = bytes;
  longer.push_back({});
  expectError("bytes left over", "INVALID_PLAN", "text", [&] { decodePlan(longer); });
}

void testExecution(cpu::CpuBackend& backend, const PlanDraft& plan) {
  Memory memory(plan);
  const StopFlag stop = makeStopFlag();
  const Cancellation cancellation(stop, makeStopFlag());
  std::vector<double> stepMs(plan.steps.size(), -1);
  const RunArguments arguments{memory.inputAddresses, memory.outputAddresses, cancellation, stepMs};
  {
    const auto executable = backend.load(validate(plan), test::smallWeights(plan));
    check(backend.arenaBytes() == plan.arenaBytes, "the arena is as large as the plan says");
    executable->run(arguments);
    const auto first = memory.outputs;
    for (const double ms : stepMs) check(ms >= 0, "every step is timed");
    for (const std::byte label : first[0]) check(std::to_integer<int>(label) < 4, "labels are classes");
    executable->run(arguments);
    check(memory.outputs == first, "a second run gives the same bits");
    stop->store(true);
    expectError("an aborted run", "ABORTED", "aborted", [&] { executable->run(arguments); });

    PlanDraft larger = plan;
    larger.arenaBytes += 4096;
    const auto second = backend.load(validate(larger), test::smallWeights(plan));
    check(backend.arenaBytes() == larger.arenaBytes, "plans share one arena, the largest");
  }
  check(backend.arenaBytes() == 0, "the arena goes with the last plan");

  expectError("a plan without its weights", "INVALID_WEIGHTS", "scale3",
              [&] { backend.load(validate(plan), std::make_shared<Weights>()); });
  PlanDraft tight = plan;
  for (auto& step : tight.steps) {
    if (step.scratchBytes == 0) continue;
    step.scratchBytes -= 64;
    expectError("less scratch than the algorithm needs", "INVALID_PLAN", "scratch",
                [&] { backend.load(validate(tight), test::smallWeights(plan)); });
    return;
  }
}

}  // namespace

int main() {
  cpu::CpuBackend backend(cpu::describeDevice(2));
  const PlanDraft plan = test::smallPlan(backend);
  testRefusals(plan);
  testBytes(plan);
  testExecution(backend, plan);
  if (failures == 0) std::printf("plans: all as expected\n");
  return failures == 0 ? 0 : 1;
}

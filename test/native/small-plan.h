#pragma once

// A plan of every operation on 8 × 8 pixels, as values that a test can change, and its encoding.

#include <bit>
#include <cstddef>
#include <string>
#include <vector>

#include "cpu/backend.h"
#include "plan/decode.h"

namespace ocrnet::test {

/// A step before encoding: attributes are words, in the order of the schema.
struct StepDraft {
  Opcode opcode;
  std::string path;
  std::vector<std::uint32_t> inputs, outputs, attributes;
  std::uint32_t algorithm = kUnchosen;
  std::uint64_t scratchOffset = 0, scratchBytes = 0;
};

struct PlanDraft {
  std::uint64_t arenaBytes = 0;
  std::vector<TensorInfo> tensors;
  std::vector<Binding> parameters, inputs, outputs;
  std::vector<StateBlock> states;
  std::vector<StepDraft> steps;

  /// A dense tensor behind all that the arena holds so far.
  std::uint32_t arena(DataType type, std::vector<std::int64_t> shape) {
    const std::uint32_t tensor = add(type, std::move(shape), Storage::arena, 0);
    tensors[tensor].offset = arenaBytes;
    arenaBytes += (static_cast<std::uint64_t>(tensors[tensor].spanBytes()) + 63) / 64 * 64;
    return tensor;
  }

  /// Some channels of a tensor in the arena.
  std::uint32_t slice(std::uint32_t whole, std::int64_t firstChannel, std::int64_t channels) {
    TensorInfo tensor = tensors[whole];
    tensor.shape[3] = channels;
    tensor.offset += static_cast<std::uint64_t>(firstChannel * bytesPerElement(tensor.dataType));
    tensors.push_back(tensor);
    return static_cast<std::uint32_t>(tensors.size() - 1);
  }

  /// The same memory once more, for an operation in place.
  std::uint32_t again(std::uint32_t tensor) {
    tensors.push_back(TensorInfo(tensors[tensor]));
    return static_cast<std::uint32_t>(tensors.size() - 1);
  }

  std::uint32_t parameter(const std::string& name, std::vector<std::int64_t> shape) {
    return bind(parameters, name, DataType::float32, std::move(shape), Storage::parameter);
  }
  std::uint32_t input(const std::string& name, DataType type, std::vector<std::int64_t> shape) {
    return bind(inputs, name, type, std::move(shape), Storage::input);
  }
  std::uint32_t output(const std::string& name, DataType type, std::vector<std::int64_t> shape) {
    return bind(outputs, name, type, std::move(shape), Storage::output);
  }

  StepDraft& step(Opcode opcode, std::vector<std::uint32_t> in, std::vector<std::uint32_t> out,
                  std::vector<std::uint32_t> attributes = {}) {
    const OpSchema& schema = opSchemas()[static_cast<std::size_t>(opcode)];
    in.resize(schema.inputs.size(), kAbsent);
    out.resize(schema.outputs.size(), kAbsent);
    steps.push_back({opcode, "step" + std::to_string(steps.size()), std::move(in), std::move(out),
                     std::move(attributes)});
    return steps.back();
  }

 private:
  std::uint32_t add(DataType type, std::vector<std::int64_t> shape, Storage storage, std::size_t index) {
    TensorInfo tensor{type,        static_cast<std::uint32_t>(shape.size()), {1, 1, 1, 1},
                      storage,     static_cast<std::uint32_t>(index),        0,
                      shape.back()};
    std::copy(shape.begin(), shape.end(), tensor.shape.begin());
    tensors.push_back(tensor);
    return static_cast<std::uint32_t>(tensors.size() - 1);
  }

  std::uint32_t bind(std::vector<Binding>& bindings, const std::string& name, DataType type,
                     std::vector<std::int64_t> shape, Storage storage) {
    const std::uint32_t tensor = add(type, std::move(shape), storage, bindings.size());
    bindings.push_back({name, tensor});
    return tensor;
  }
};

/// As lib/compile/encode.ts.
inline std::vector<std::byte> encode(const PlanDraft& plan) {
  std::vector<std::uint32_t> words;
  std::string text;
  const auto word = [&](std::uint64_t value) { words.push_back(static_cast<std::uint32_t>(value)); };
  const auto longWord = [&](std::uint64_t value) { word(value), word(value >> 32); };
  const auto name = [&](const std::string& value) {
    word(text.size()), word(value.size());
    text += value;
  };
  word(0x5052434f), word(kPlanFormatVersion), word(kSchemaFingerprint), longWord(plan.arenaBytes);
  for (const std::size_t count :
       {plan.tensors.size(), plan.parameters.size(), plan.inputs.size(), plan.outputs.size(),
        plan.states.size(), plan.steps.size(), std::size_t{0}}) {
    word(count);
  }
  const std::size_t textBytesAt = words.size() - 1;
  for (const TensorInfo& tensor : plan.tensors) {
    word(static_cast<std::uint32_t>(tensor.dataType)), word(tensor.rank);
    for (const std::int64_t size : tensor.shape) word(static_cast<std::uint64_t>(size));
    word(static_cast<std::uint32_t>(tensor.storage)), word(tensor.index), longWord(tensor.offset);
    word(static_cast<std::uint64_t>(tensor.pixelStride));
  }
  for (const auto* bindings : {&plan.parameters, &plan.inputs, &plan.outputs}) {
    for (const Binding& binding : *bindings) name(binding.name), word(binding.tensor);
  }
  for (const StateBlock& state : plan.states) name(state.name), longWord(state.elements);
  for (const StepDraft& step : plan.steps) {
    word(static_cast<std::uint32_t>(step.opcode)), name(step.path), word(step.algorithm);
    longWord(step.scratchOffset), longWord(step.scratchBytes);
    for (const auto* list : {&step.inputs, &step.outputs, &step.attributes}) {
      words.insert(words.end(), list->begin(), list->end());
    }
  }
  words[textBytesAt] = static_cast<std::uint32_t>(text.size());
  std::vector<std::byte> bytes;
  for (const std::uint32_t value : words) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(value >> 8 * i));
  }
  for (const char letter : text) bytes.push_back(static_cast<std::byte>(letter));
  return bytes;
}

/// The backend's choice for all steps, and scratch behind all that the arena holds.
inline void chooseAlgorithms(PlanDraft& p, const Backend& backend) {
  const std::vector<StepChoice> choices = backend.inspect(checkTypes(decodePlan(encode(p))));
  for (std::size_t i = 0; i < choices.size(); ++i) {
    p.steps[i].algorithm = choices[i].algorithm;
    p.steps[i].scratchBytes = choices[i].scratchBytes;
    p.steps[i].scratchOffset = choices[i].scratchBytes == 0 ? 0 : p.arenaBytes;
    p.arenaBytes += (choices[i].scratchBytes + 63) / 64 * 64;
  }
}

/// Losses, gradients of a map (1, 8, 8, 8) and optimisers. Labels are below the number of classes.
inline void addTrainingSteps(PlanDraft& p, std::uint32_t map, std::uint32_t logits, std::uint32_t labels) {
  using enum Opcode;
  using enum DataType;
  const auto word = [](float value) { return std::bit_cast<std::uint32_t>(value); };
  const std::uint32_t relu = 1, leaky = 3;
  const auto vector = [&] { return p.arena(float32, {8}); };
  const auto mean = vector(), variance = vector(), weight = vector(), bias = vector();
  for (const std::uint32_t sums : {mean, variance, weight, bias}) p.step(channelSums, {map, map}, {sums});
  const auto convolved = p.arena(float32, {1, 8, 8, 8});
  const auto means = p.arena(float32, {1, 8}), squares = p.arena(float32, {1, 8});
  p.step(conv2dMoments, {map, p.parameter("filter8", {8, 1, 1, 8}), bias}, {convolved, means, squares},
         {1, 0, 1, 1});
  p.step(batchNormTraining, {convolved, weight, bias, mean, variance, kAbsent, means, squares},
         {p.again(convolved)}, {word(1e-5f), word(0.1f), 0, 0, 0, relu, 0});
  const auto normal = p.arena(float32, {1, 8, 8, 8});
  const auto batchMean = vector(), deviation = vector();
  p.step(batchNormTraining, {map, weight, bias, mean, variance},
         {normal, batchMean, deviation, p.again(mean), p.again(variance)},
         {word(1e-5f), word(0.1f), 0, 0, 0, relu, 0});
  const auto gradient = p.arena(float32, {1, 8, 8, 8});
  p.step(activateGradient, {map, normal}, {gradient}, {leaky, word(0.1f)});
  const auto dx = p.again(gradient);
  const auto dWeight = vector(), dBias = vector();
  p.step(batchNormGradient, {gradient, weight, bias, batchMean, deviation, map}, {dx, dWeight, dBias},
         {0, 0, relu, 0});
  p.step(sliceChannels, {dx}, {p.arena(float32, {1, 8, 8, 3})}, {2, 3});
  p.step(crossEntropy, {logits, labels}, {p.arena(float32, {1}), p.arena(float32, {1, 8, 8, 4})},
         {word(1), 255, word(0.1f), word(0.7f), 20, 1});
  for (const auto& [forward, backward] : {std::pair{attendPixels, attendPixelsGradient},
                                          std::pair{attendCrissCross, attendCrissCrossGradient}}) {
    const auto attended = p.arena(float32, {1, 8, 8, 8}), sums = p.arena(float32, {1, 8, 8, 1});
    p.step(forward, {map, map, dx}, {attended, sums}, {word(0.5f)});
    const auto dQuery = p.arena(float32, {1, 8, 8, 8}), dValue = p.arena(float32, {1, 8, 8, 8});
    p.step(backward, {map, map, dx, attended, sums, map}, {dQuery, kAbsent, dValue}, {word(0.5f)});
  }
  p.step(labelRegions, {labels}, {p.arena(float32, {1, 4, 4, 4})}, {4, 4, 4, 1});

  const auto norm = p.arena(float32, {1}), factor = p.arena(float32, {1});
  p.step(globalNorm, {dWeight}, {norm, factor}, {word(1)});
  const auto schedule = p.parameter("schedule", {2});
  const auto velocity = p.again(dBias);
  p.step(accumulate, {dBias, dWeight, schedule}, {velocity});
  const auto trained = p.again(weight), moving = p.again(velocity);
  p.step(sgd, {weight, dWeight, velocity, schedule, factor}, {trained, moving},
         {1, 6, word(1), word(0.9f), 1, word(1e-4f)});
  const auto average = p.again(bias);
  p.step(movingAverage, {bias, trained, schedule}, {average}, {word(0.999f), 1});
  const auto second = vector();
  p.step(channelSums, {normal, normal}, {second});
  p.step(adamW, {trained, dWeight, moving, second, schedule, factor},
         {p.again(trained), p.again(moving), p.again(second)},
         {0, 8, word(1), word(0.9f), word(0.999f), word(1e-8f), word(0.01f)});
}

/// Every executable operation of inference and many of training, slices of a wide tensor, operations in place
/// and optional inputs and outputs. Algorithms and scratch are the backend's choice.
inline PlanDraft smallPlan(const Backend& backend) {
  using enum Opcode;
  using enum DataType;
  const std::uint32_t relu = 1, leaky = 3, slope = std::bit_cast<std::uint32_t>(0.1f);
  const std::uint32_t one = std::bit_cast<std::uint32_t>(1.0f);
  PlanDraft p;
  const auto image = p.input("image", uint8, {1, 8, 8, 3});
  const auto scale3 = p.parameter("scale3", {3}), shift3 = p.parameter("shift3", {3});
  const auto scale8 = p.parameter("scale8", {8}), shift8 = p.parameter("shift8", {8});
  const auto filter3 = p.parameter("filter3", {8, 3, 3, 3}), filter1 = p.parameter("filter1", {4, 1, 1, 16});
  const auto labels = p.output("labels", uint8, {1, 16, 16});
  const auto confidence = p.output("confidence", float32, {1, 16, 16});
  const auto features = p.output("features", float32, {1, 8, 8, 12});
  const auto mixed = p.output("mixed", float32, {1, 8, 8, 8});

  const auto normalised = p.arena(float32, {1, 8, 8, 3});
  p.step(normalizeImage, {image, scale3, shift3}, {normalised}, {1, 0});
  const auto wide = p.arena(float32, {1, 8, 8, 16});
  const auto left = p.slice(wide, 0, 8), right = p.slice(wide, 8, 8);
  p.step(conv2d, {normalised, filter3, shift8}, {left}, {1, 1, 1, 1, relu, 0, 0});
  p.step(scaleShift, {left, scale8, shift8}, {right}, {0, 0});
  const auto activated = p.again(right);
  p.step(activate, {right}, {activated}, {leaky, slope});
  const auto logits = p.arena(float32, {1, 8, 8, 4});
  p.step(conv2d, {wide, filter1}, {logits}, {1, 0, 1, 1, 0, 0, 0});
  const auto regions = p.arena(float32, {1, 8, 8, 4});
  p.step(spatialSoftmax, {logits}, {regions}, {one});
  const auto centres = p.arena(float32, {1, 4, 1, 8});
  p.step(aggregateRegions, {regions, left}, {centres});
  const auto context = p.arena(float32, {1, 8, 8, 8});
  const auto gathered = p.arena(float32, {1, 4, 1, 8});
  p.step(gatherRegions, {logits, left}, {gathered}, {one});
  p.step(attendRegions, {left, centres, gathered}, {context}, {one, relu, 0});
  const auto ofAll = p.arena(float32, {1, 8, 8, 8}), ofLines = p.arena(float32, {1, 8, 8, 8});
  p.step(attendPixels, {left, left, context}, {ofAll}, {one});
  p.step(attendCrissCross, {left, ofAll, context}, {ofLines}, {one});
  const auto sum = p.again(ofLines);
  p.step(add, {ofLines, activated}, {sum}, {0, 0});
  const auto pooled = p.arena(float32, {1, 4, 4, 8});
  p.step(maxPool2d, {sum}, {pooled}, {3, 2, 1, 0});
  const auto averaged = p.arena(float32, {1, 2, 2, 8});
  p.step(adaptiveAveragePool2d, {pooled}, {averaged}, {2, 2});
  const auto resized = p.again(sum);
  p.step(resizeBilinear, {averaged, sum}, {resized}, {8, 8, 0, 0, 0});
  const auto half = p.arena(bfloat16, {1, 8, 8, 8});
  p.step(cast, {resized}, {half}, {1});
  const auto unmixed = p.again(mixed);  // in the memory of an output, which is then written over it
  p.step(resizeTaps, {pooled, averaged}, {unmixed}, {8, 8, 1, 1, 0, relu, 0, 0});
  p.step(scaleShift, {unmixed, scale8}, {mixed}, {0, 0});
  const auto joined = p.arena(float32, {1, 8, 8, 12});
  const auto restored = p.slice(joined, 0, 8);
  p.step(cast, {half}, {restored}, {0});
  p.step(concat, {restored, logits}, {joined});
  p.step(resizeArgmax, {logits}, {labels, confidence}, {16, 16, 1, 0});
  addTrainingSteps(p, resized, logits, labels);
  p.step(activate, {joined}, {features}, {2, 0});

  chooseAlgorithms(p, backend);
  return p;
}

/// Weights for all parameters of the small plan.
inline std::shared_ptr<Weights> smallWeights(const PlanDraft& plan) {
  auto weights = std::make_shared<Weights>();
  for (const auto& [name, tensor] : plan.parameters) {
    const TensorInfo& info = plan.tensors[tensor];
    std::vector<float> data(static_cast<std::size_t>(info.elements()));
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = 0.01f * static_cast<float>(i * 37 % 101) - 0.4f;
    weights->set(name, {info.shape.begin(), info.shape.begin() + info.rank}, data);
  }
  return weights;
}

}  // namespace ocrnet::test

#include "cpu/ops/pixel-attention.h"

namespace ocrnet::cpu {

AttendPixels describeAttention(const StepDescription& step, float scale) {
  const TensorInfo &query = *step.input(0), &key = *step.input(1), &value = *step.input(2);
  AttendPixels a{};
  a.type = query.dataType;
  a.depth = query.channels();
  a.channels = value.channels();
  a.keys = key.shape[1] * key.shape[2];
  a.scale = scale;
  a.query = sourceOf(&query);
  a.key = sourceOf(&key);
  a.value = sourceOf(&value);
  a.y = targetOf(step.output(0));
  if (step.output(1)) a.logSumExp = targetOf(step.output(1));
  return a;
}

AttendPixelsGradient describeAttentionGradient(const StepDescription& step, float scale) {
  AttendPixelsGradient a{};
  a.depth = step.input(0)->channels();
  a.channels = step.input(2)->channels();
  a.scale = scale;
  Source* const sources[] = {&a.query, &a.key, &a.value, &a.y, &a.logSumExps, &a.dy};
  for (std::size_t i = 0; i < std::size(sources); ++i) *sources[i] = sourceOf(step.input(i));
  Target* const targets[] = {&a.dQuery, &a.dKey, &a.dValue};
  for (std::size_t i = 0; i < std::size(targets); ++i) {
    if (step.output(i)) *targets[i] = targetOf(step.output(i));
  }
  return a;
}

void locate(AttendPixels& a, const StepMemory& memory) {
  Source* const sources[] = {&a.query, &a.key, &a.value};
  for (std::size_t i = 0; i < std::size(sources); ++i) sources[i]->data = memory.inputs[i];
  a.y.data = memory.outputs[0];
  a.logSumExp.data = memory.outputs[1];
}

void locate(AttendPixelsGradient& a, const StepMemory& memory) {
  Source* const sources[] = {&a.query, &a.key, &a.value, &a.y, &a.logSumExps, &a.dy};
  for (std::size_t i = 0; i < std::size(sources); ++i) sources[i]->data = memory.inputs[i];
  Target* const targets[] = {&a.dQuery, &a.dKey, &a.dValue};
  for (std::size_t i = 0; i < std::size(targets); ++i) targets[i]->data = memory.outputs[i];
}

}  // namespace ocrnet::cpu

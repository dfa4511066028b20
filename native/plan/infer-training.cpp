// The shape rules of what training adds: the backward pass, losses, optimisers.

#include "plan/infer-rules.h"

namespace ocrnet::rules {

namespace {

void requireSameType(const TensorInfo& a, const TensorInfo* b) {
  if (b != nullptr) require(typeOf(a) == typeOf(*b), "expected equal types", a, *b);
}

bool isInvertible(Activation activation, float negativeSlope) {
  return activation == Activation::none || (activation == Activation::leakyRelu && negativeSlope > 0);
}

}  // namespace

std::vector<TensorType> infer(const JoinAttributes&, Inputs) {
  throw Error("INVALID_PLAN", "is compiled away and never part of a plan");
}

std::vector<TensorType> infer(const ActivateGradientAttributes&, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  requireSameType(dy, in[1]);
  return {typeOf(dy)};
}

std::vector<TensorType> infer(const BatchNormTrainingAttributes& a, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  for (const TensorInfo* vector : in.subspan(1, 4)) requireVector(vector, x.channels());
  requireResidual(in[5], typeOf(x));
  if (a.recoversInput && (in[5] != nullptr || !isInvertible(a.activation, a.negativeSlope))) {
    throw Error("INVALID_PLAN", "cannot recover its input through a residual or such an activation");
  }
  const TensorType vector = typeOf(*in[1]);
  return {typeOf(x), vector, vector, vector, vector};
}

std::vector<TensorType> infer(const BatchNormGradientAttributes& a, Inputs in) {
  const TensorInfo& dy = activation(in[0]);
  for (const TensorInfo* vector : in.subspan(1, 4)) requireVector(vector, dy.channels());
  requireSameType(dy, in[5]);
  requireSameType(dy, in[6]);
  if (in[5] == nullptr && (in[6] == nullptr || !isInvertible(a.activation, a.negativeSlope))) {
    throw Error("INVALID_PLAN", "needs x, or y behind an activation that can be inverted");
  }
  const TensorType vector = typeOf(*in[1]);
  return {typeOf(dy), vector, vector, typeOf(dy)};
}

std::vector<TensorType> infer(const ChannelSumsAttributes&, Inputs in) {
  const TensorInfo& x = activation(in[0]);
  requireSameType(x, in[1]);
  return {{DataType::float32, 1, {x.channels(), 1, 1, 1}}};
}

}  // namespace ocrnet::rules

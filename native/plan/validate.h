#pragma once

#include "plan/plan.h"

namespace ocrnet {

/// A plan whose references, types and shapes fit the operations' rules: enough for a device to choose
/// algorithms. Says nothing about memory.
class TypedPlan {
 public:
  const Plan& plan() const { return plan_; }

 private:
  friend TypedPlan checkTypes(Plan plan);
  friend class ValidPlan;
  explicit TypedPlan(Plan plan) : plan_(std::move(plan)) {}

  Plan plan_;
};

/// A plan that stays inside its arena and its bindings and reads only what was written before. The only plan
/// that a device loads. What depends on the device, the steps' algorithms and the size of their scratch, the
/// device checks.
class ValidPlan {
 public:
  const Plan& plan() const { return plan_; }

 private:
  friend ValidPlan checkMemory(TypedPlan typed);
  explicit ValidPlan(TypedPlan typed) : plan_(std::move(typed.plan_)) {}

  Plan plan_;
};

/// Both throw Error("INVALID_PLAN") with the step or tensor that is wrong.
TypedPlan checkTypes(Plan plan);
ValidPlan checkMemory(TypedPlan typed);

}  // namespace ocrnet

// The first half of validation: references, types and shapes.

#include <set>
#include <string>

#include "core/error.h"
#include "plan/infer.h"
#include "plan/validate.h"

namespace ocrnet {

namespace {

/// One size, the elements of a tensor, and its span with gaps: so small that no 64-bit arithmetic on bytes
/// overflows.
constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error("INVALID_PLAN", where + ": " + what);
}

/// The product stays within kMaxElements, or is 0.
std::int64_t productWithin(std::int64_t a, std::int64_t b) { return a <= kMaxElements / b ? a * b : 0; }

void checkTensor(const TensorInfo& tensor, const std::string& name) {
  std::int64_t pixels = 1;
  for (std::uint32_t i = 0; i < tensor.rank; ++i) {
    if (tensor.shape[i] < 1 || tensor.shape[i] >= kMaxSize)
      fail(name, "a size of " + std::to_string(tensor.shape[i]));
    if (i + 1 < tensor.rank) pixels = productWithin(pixels, tensor.shape[i]);
    if (pixels == 0) fail(name, "too many elements in " + formatType(typeOf(tensor)));
  }
  if (tensor.pixelStride < tensor.channels()) {
    fail(name, "expected a pixel stride of at least " + std::to_string(tensor.channels()) + ", received " +
                   std::to_string(tensor.pixelStride));
  }
  if (productWithin(pixels, tensor.pixelStride) == 0)
    fail(name, "too many elements in " + formatType(typeOf(tensor)));
  if (tensor.storage != Storage::arena && !tensor.dense()) {
    fail(name, "parameters, inputs, outputs and state must be dense, received a pixel stride of " +
                   std::to_string(tensor.pixelStride) + " for " + formatType(typeOf(tensor)));
  }
  const bool held = tensor.storage == Storage::parameter || tensor.storage == Storage::state;
  if (held && tensor.dataType != DataType::float32) {
    fail(name, "expected a parameter or state in float32, received " + formatType(typeOf(tensor)));
  }
}

/// Each binding names one tensor of its storage and index, and each such tensor belongs to its binding. Only
/// an output's memory may hold others before, of its type.
void checkBindings(const Plan& plan, const std::vector<Binding>& bindings, Storage storage,
                   const char* kind) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    const auto& [name, tensor] = bindings[i];
    const std::string where = std::string(kind) + " \"" + name + "\"";
    if (!names.insert(name).second) fail(where, "the name is taken");
    if (tensor >= plan.tensors.size()) fail(where, "there is no tensor " + std::to_string(tensor));
    const TensorInfo& info = plan.tensors[tensor];
    if (info.storage != storage || info.index != i)
      fail(where, "tensor " + std::to_string(tensor) + " is not its own");
  }
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const TensorInfo& tensor = plan.tensors[i];
    if (tensor.storage != storage) continue;
    if (tensor.index < bindings.size()) {
      const std::uint32_t bound = bindings[tensor.index].tensor;
      if (bound == i) continue;
      if (storage == Storage::output && typeOf(tensor) == typeOf(plan.tensors[bound])) continue;
    }
    fail("tensor " + std::to_string(i),
         std::string("no ") + kind + " " + std::to_string(tensor.index) + " is bound to it");
  }
}

/// Names differ, and each tensor of state lies within its block.
void checkStates(const Plan& plan) {
  std::set<std::string> names;
  for (const auto& [name, elements] : plan.states) {
    const std::string where = "state \"" + name + "\"";
    if (!names.insert(name).second) fail(where, "the name is taken");
    if (elements < 1 || elements > static_cast<std::uint64_t>(kMaxElements)) {
      fail(where, "a size of " + std::to_string(elements));
    }
  }
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const TensorInfo& tensor = plan.tensors[i];
    if (tensor.storage != Storage::state) continue;
    const std::string where = "tensor " + std::to_string(i);
    if (tensor.index >= plan.states.size()) {
      fail(where, "there is no state " + std::to_string(tensor.index));
    }
    const std::uint64_t bytes = plan.states[tensor.index].elements * sizeof(float);
    const auto span = static_cast<std::uint64_t>(tensor.spanBytes());
    if (tensor.offset % sizeof(float) == 0 && tensor.offset <= bytes && span <= bytes - tensor.offset) {
      continue;
    }
    fail(where, "expected to lie within state \"" + plan.states[tensor.index].name + "\" of " +
                    std::to_string(bytes) + " bytes, received " + std::to_string(tensor.offset) + " + " +
                    std::to_string(span));
  }
}

void checkReferences(const Plan& plan, const Step& step, const OpSchema& schema, const std::string& where) {
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const std::uint32_t tensor = step.inputs[i];
    if (tensor == kAbsent && i >= schema.requiredInputs) continue;
    const std::string input = "its input \"" + std::string(schema.inputs[i]) + "\"";
    if (tensor == kAbsent) fail(where, input + " is absent");
    if (tensor >= plan.tensors.size())
      fail(where, "there is no tensor " + std::to_string(tensor) + " for " + input);
    if (!plan.tensors[tensor].dense() && !schema.readsSlices[i])
      fail(where, "cannot read a slice as " + input);
  }
  bool writes = false;
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    const std::uint32_t tensor = step.outputs[i];
    if (tensor == kAbsent) continue;
    writes = true;
    const std::string output = "its output \"" + std::string(schema.outputs[i]) + "\"";
    if (tensor >= plan.tensors.size())
      fail(where, "there is no tensor " + std::to_string(tensor) + " for " + output);
    const TensorInfo& info = plan.tensors[tensor];
    if (info.storage == Storage::parameter || info.storage == Storage::input) {
      fail(where, output + " must not be a parameter or input of the plan");
    }
    if (info.storage == Storage::state && schema.updates[i] < 0) {
      fail(where, output + " is no update of state and must not be written there");
    }
    // Of channels: what else an operation tells beside its maps is dense.
    if (!info.dense() && !(schema.writesSlices && info.rank == 4))
      fail(where, "cannot write a slice as " + output);
  }
  if (!writes) fail(where, "all its outputs are absent");
  if (step.outputs[0] == kAbsent)
    fail(where, "its output \"" + std::string(schema.outputs[0]) + "\" is absent");
}

void checkStep(const Plan& plan, const Step& step) {
  const OpSchema& schema = opSchemas()[static_cast<std::size_t>(step.opcode)];
  const std::string where = step.path + ": " + std::string(schema.name);
  checkReferences(plan, step, schema, where);
  std::vector<const TensorInfo*> inputs;
  for (const std::uint32_t tensor : step.inputs) {
    inputs.push_back(tensor == kAbsent ? nullptr : &plan.tensors[tensor]);
  }
  std::vector<TensorType> inferred;
  try {
    inferred = inferTypes(step.attributes, inputs);
  } catch (const Error& error) {
    fail(where, error.what());
  }
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    if (step.outputs[i] == kAbsent) continue;
    const TensorType declared = typeOf(plan.tensors[step.outputs[i]]);
    if (declared == inferred[i]) continue;
    fail(where, "its output \"" + std::string(schema.outputs[i]) + "\" must be " + formatType(inferred[i]) +
                    ", received " + formatType(declared));
  }
}

}  // namespace

TypedPlan checkTypes(Plan plan) {
  for (std::size_t i = 0; i < plan.tensors.size(); ++i)
    checkTensor(plan.tensors[i], "tensor " + std::to_string(i));
  checkBindings(plan, plan.parameters, Storage::parameter, "parameter");
  checkBindings(plan, plan.inputs, Storage::input, "input");
  checkBindings(plan, plan.outputs, Storage::output, "output");
  checkStates(plan);
  for (const Step& step : plan.steps) checkStep(plan, step);
  return TypedPlan(std::move(plan));
}

}  // namespace ocrnet

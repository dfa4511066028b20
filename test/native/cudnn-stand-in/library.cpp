// Stands in for cuDNN in the tests, where there is neither cuDNN nor a GPU: the part of the backend API of
// version 9 that ocrnet uses, computed by plain loops on the emulated GPU's memory. It is stricter than
// cuDNN: each attribute must have the type and the number of elements that NVIDIA's reference says,
// descriptors must be alive and final where others refer to them, and every engine but those that should be
// taken fails, wants too much memory or gives wrong results.
//
// With OCRNET_CUDNN_STAND_IN=fails in the environment every execution fails.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "emulation/lend-streams.h"
#include "engines.h"

namespace ocrnet::test::cudnn {

struct Context {
  cudaStream_t stream = nullptr;
};

namespace {

constexpr std::size_t kVersion = 90600;
constexpr std::int64_t kUnsupportedStride = 3;

Context* const kContext = new Context;  // all handles

emulation::Enqueue enqueue = nullptr;

Status finalizeTensor(const Descriptor& d) {
  const Tensor tensor(d);
  if (tensor.type != CUDNN_DATA_FLOAT && tensor.type != CUDNN_DATA_HALF &&
      tensor.type != CUDNN_DATA_BFLOAT16) {
    return refuse(CUDNN_STATUS_NOT_SUPPORTED, "a tensor's type");
  }
  for (std::size_t i = 0; i < 4; ++i) {
    if (tensor.dimensions[i] < 1 || tensor.strides[i] < 1) {
      return refuse(CUDNN_STATUS_BAD_PARAM, "dimensions or strides below 1");
    }
  }
  if (tensor.alignment < 1 || (tensor.alignment & (tensor.alignment - 1)) != 0) {
    return refuse(CUDNN_STATUS_BAD_PARAM, "an alignment that is no power of two");
  }
  return CUDNN_STATUS_SUCCESS;
}

Status finalizeWindow(const Descriptor& d) {
  if (d.get<unsigned>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) != CUDNN_DATA_FLOAT ||
      d.get<unsigned>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION ||
      d.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2) {
    return refuse(CUDNN_STATUS_NOT_SUPPORTED, "a convolution that is none of ours");
  }
  return CUDNN_STATUS_SUCCESS;
}

Status finalizeOperation(const Descriptor& d) {
  const Operation a = operationOf(d.type);
  for (const unsigned tensor : {a.x, a.w, a.y}) {
    if (!isFinal(&d.other(tensor), CUDNN_BACKEND_TENSOR_DESCRIPTOR)) {
      return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "an operation's tensor");
    }
  }
  if (!isFinal(&d.other(a.window), CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "an operation's convolution");
  }
  if (d.get<float>(a.alpha) != 1 || d.get<float>(a.beta) != 0) {
    return refuse(CUDNN_STATUS_NOT_SUPPORTED, "factors");
  }
  const Tensor x(d.other(a.x)), w(d.other(a.w)), y(d.other(a.y));
  const Descriptor& window = d.other(a.window);
  bool fits = x.dimensions[0] == y.dimensions[0] && w.dimensions[0] == y.dimensions[1] &&
              x.dimensions[1] % w.dimensions[1] == 0 &&
              w.dimensions[0] % (x.dimensions[1] / w.dimensions[1]) == 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto padding = window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i) +
                         window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, i);
    const auto stride = window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, i);
    const auto dilation = window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS, i);
    const std::int64_t reach = x.dimensions[2 + i] + padding - dilation * (w.dimensions[2 + i] - 1) - 1;
    fits = fits && reach >= 0 && reach / stride + 1 == y.dimensions[2 + i];
  }
  if (!fits) return refuse(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "shapes");
  // As cuDNN: what is multiplied is of one type.
  const unsigned first = a.result == a.x ? y.type : x.type, second = a.result == a.w ? y.type : w.type;
  if (first != second) return refuse(CUDNN_STATUS_NOT_SUPPORTED, "operands of two types");
  return CUDNN_STATUS_SUCCESS;
}

Status finalizeGraph(const Descriptor& d) {
  const Descriptor& operation = d.other(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  if (!isFinal(&operation, operation.type)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a graph's operation");
  }
  const Descriptor& window = operation.other(operationOf(operation.type).window);
  if (window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES) == kUnsupportedStride) {
    return refuse(CUDNN_STATUS_NOT_SUPPORTED, "the one stride that is not supported");
  }
  return CUDNN_STATUS_SUCCESS;
}

Status finalizeHeuristics(const Descriptor& d) {
  if (!isFinal(&d.other(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "heuristics of a graph");
  }
  const auto mode = d.get<unsigned>(CUDNN_ATTR_ENGINEHEUR_MODE);
  if (mode == CUDNN_HEUR_MODE_A || mode == CUDNN_HEUR_MODE_FALLBACK) return CUDNN_STATUS_SUCCESS;
  return refuse(CUDNN_STATUS_NOT_SUPPORTED, "a mode of heuristics");
}

Status finalizePlan(const Descriptor& d) {
  const Descriptor& config = d.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!isFinal(&config, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan's configuration");
  }
  if (behaviourOf(config.engine, *config.graph) != Behaviour::refuses) return CUDNN_STATUS_SUCCESS;
  return refuse(CUDNN_STATUS_NOT_SUPPORTED, "an engine that takes no such problem");
}

Status finalizeByType(const Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return finalizeTensor(d);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return finalizeWindow(d);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return finalizeGraph(d);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return finalizeHeuristics(d);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return finalizePlan(d);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
      return refuse(CUDNN_STATUS_NOT_SUPPORTED, "an engine that the caller chooses");
    default:
      return finalizeOperation(d);
  }
}

/// Null, with lastError, for an attribute that the descriptor does not have in this way.
const Rule* ruleOf(const Descriptor& d, unsigned attribute, unsigned type, std::int64_t count) {
  for (const Rule& rule : kRules.at(d.type)) {
    if (rule.attribute != attribute) continue;
    if (rule.type == type && rule.count == count) return &rule;
    refuse(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(attribute) + " of another type or number");
    return nullptr;
  }
  refuse(CUDNN_STATUS_BAD_PARAM, "no attribute " + std::to_string(attribute) +
                                     " to set of descriptors of type " + std::to_string(d.type));
  return nullptr;
}

Descriptor* find(const void* descriptor) {
  const std::lock_guard lock(mutex);
  const auto at = descriptors.find(static_cast<const Descriptor*>(descriptor));
  return at == descriptors.end() ? nullptr : at->second.get();
}

/// Fills descriptors that the caller made: engines, or configurations of them.
Status fill(void* elements, std::int64_t requested, unsigned type, const std::vector<std::size_t>& engines,
            const Descriptor& graph, std::int64_t* count) {
  const auto n = static_cast<std::int64_t>(engines.size());
  *count = n;
  for (std::int64_t i = 0; i < std::min(n, requested); ++i) {
    Descriptor* const d = find(static_cast<void**>(elements)[i]);
    if (!d || d->type != type || d->isFinal) return refuse(CUDNN_STATUS_BAD_PARAM, "descriptors to fill");
    d->isFinal = true;
    d->engine = engines[static_cast<std::size_t>(i)];
    d->graph = &graph;
  }
  return CUDNN_STATUS_SUCCESS;
}

Status get(const Descriptor& d, unsigned attribute, unsigned type, std::int64_t requested,
           std::int64_t* count, void* elements) {
  if (!d.isFinal) return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "getting an attribute");
  if (attribute == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
      d.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    std::vector<std::size_t> engines{kFallback};
    if (d.get<unsigned>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_A) {
      engines.clear();
      for (std::size_t i = 0; i < kFallback; ++i) engines.push_back(i);
    }
    return fill(elements, requested, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, engines,
                d.other(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), count);
  }
  if (attribute == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
      d.type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) {
    return fill(elements, requested, CUDNN_BACKEND_ENGINE_DESCRIPTOR, {d.engine}, *d.graph, count);
  }
  if (attribute == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE &&
      d.type == CUDNN_BACKEND_ENGINE_DESCRIPTOR) {
    const std::vector<unsigned>& notes = kEngines[d.engine].notes;
    *count = static_cast<std::int64_t>(notes.size());
    std::copy_n(notes.begin(), std::min<std::int64_t>(requested, *count), static_cast<unsigned*>(elements));
    return CUDNN_STATUS_SUCCESS;
  }
  if (attribute == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 && requested == 1 &&
      d.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    *count = 1;
    *static_cast<std::int64_t*>(elements) =
        kEngines[d.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).engine].workspaceBytes;
    return CUDNN_STATUS_SUCCESS;
  }
  return refuse(CUDNN_STATUS_BAD_PARAM, "no attribute " + std::to_string(attribute) + " to get in this way");
}

/// The tensor that an operation refers to, where the pack says that it lies.
Status bind(Tensor& tensor, const Descriptor& pack) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (pack.get<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i) != tensor.id) continue;
    tensor.data = pack.get<std::byte*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
  }
  if (!tensor.data) return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a tensor without an address");
  if (reinterpret_cast<std::uintptr_t>(tensor.data) % static_cast<std::uintptr_t>(tensor.alignment) == 0) {
    return CUDNN_STATUS_SUCCESS;
  }
  return refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "a tensor that is aligned to less than it says");
}

Status execute(const Context& context, const Descriptor& plan, const Descriptor& pack) {
  const char* const environment = std::getenv("OCRNET_CUDNN_STAND_IN");
  if (environment && std::string_view(environment) == "fails") {
    return refuse(CUDNN_STATUS_EXECUTION_FAILED, "as it was told to");
  }
  const Descriptor& config = plan.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!isFinal(&config, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) ||
      !isFinal(config.graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan of descriptors that are gone");
  }
  const Descriptor& operation = config.graph->other(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  if (!isFinal(&operation, operation.type)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan of an operation that is gone");
  }
  const Operation a = operationOf(operation.type);
  const Descriptor& window = operation.other(a.window);
  const Engine& engine = kEngines[config.engine];
  Job job{.x = Tensor(operation.other(a.x)),
          .w = Tensor(operation.other(a.w)),
          .y = Tensor(operation.other(a.y)),
          .padding = {},
          .stride = {},
          .dilation = {},
          .result = a.result,
          .attributes = a,
          .isRight = behaviourOf(config.engine, *config.graph) == Behaviour::right,
          .tf32 = usesTensorCores(config.engine),
          .workspace = pack.get<std::byte*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE),
          .workspaceBytes = engine.workspaceBytes};
  for (std::size_t i = 0; i < 2; ++i) {
    job.padding[i] = window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i);
    job.stride[i] = window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, i);
    job.dilation[i] = window.get<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS, i);
  }
  for (Tensor* const tensor : {&job.x, &job.w, &job.y}) {
    if (const Status status = bind(*tensor, pack)) return status;
  }
  if (engine.workspaceBytes > 0 && !job.workspace) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no workspace");
  }
  enqueue(context.stream, [job] { job.run(); });
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

}  // namespace ocrnet::test::cudnn

#define EXPORTED extern "C" __attribute__((visibility("default")))

using namespace ocrnet::test::cudnn;

EXPORTED void ocrnetTakeStreams(ocrnet::emulation::Enqueue lent) { enqueue = lent; }

EXPORTED std::size_t cudnnGetVersion() { return kVersion; }

EXPORTED const char* cudnnGetErrorString(Status status) {
  switch (status / 1000) {
    case 2:
      return "CUDNN_STATUS_BAD_PARAM";
    case 3:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case 5:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
      return "CUDNN_STATUS_NOT_INITIALIZED";
  }
}

EXPORTED void cudnnGetLastErrorString(char* message, std::size_t size) {
  std::snprintf(message, size, "%s", lastError.c_str());
}

EXPORTED Status cudnnCreate(Context** handle) {
  *handle = kContext;
  return CUDNN_STATUS_SUCCESS;
}

EXPORTED Status cudnnSetStream(Context* handle, cudaStream_t stream) {
  if (handle != kContext) return refuse(CUDNN_STATUS_BAD_PARAM, "a handle");
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

EXPORTED Status cudnnBackendCreateDescriptor(unsigned type, void** descriptor) {
  if (!kRules.contains(type)) return refuse(CUDNN_STATUS_NOT_SUPPORTED, "a type of descriptors");
  auto made = std::make_unique<Descriptor>();
  made->type = type;
  const std::lock_guard lock(mutex);
  *descriptor = made.get();
  descriptors.emplace(made.get(), std::move(made));
  return CUDNN_STATUS_SUCCESS;
}

EXPORTED Status cudnnBackendDestroyDescriptor(void* descriptor) {
  const std::lock_guard lock(mutex);
  if (descriptors.erase(static_cast<const Descriptor*>(descriptor)) == 1) return CUDNN_STATUS_SUCCESS;
  return refuse(CUDNN_STATUS_BAD_PARAM, "a descriptor to destroy");
}

EXPORTED Status cudnnBackendSetAttribute(void* descriptor, unsigned attribute, unsigned type,
                                         std::int64_t count, const void* elements) {
  Descriptor* const d = find(descriptor);
  if (!d || !elements) return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "setting an attribute");
  if (d->isFinal) return refuse(CUDNN_STATUS_NOT_INITIALIZED, "a descriptor that is final already");
  if (!ruleOf(*d, attribute, type, count)) return CUDNN_STATUS_BAD_PARAM;
  if (type == CUDNN_TYPE_HANDLE && *static_cast<Context* const*>(elements) != kContext) {
    return refuse(CUDNN_STATUS_BAD_PARAM, "a handle");
  }
  const auto* const bytes = static_cast<const std::byte*>(elements);
  d->values[attribute].assign(bytes, bytes + static_cast<std::size_t>(count) * bytesOf(type));
  return CUDNN_STATUS_SUCCESS;
}

EXPORTED Status cudnnBackendGetAttribute(void* descriptor, unsigned attribute, unsigned type,
                                         std::int64_t requested, std::int64_t* count, void* elements) {
  const Descriptor* const d = find(descriptor);
  if (!d || !count || (requested > 0 && !elements)) {
    return refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "getting an attribute");
  }
  return get(*d, attribute, type, requested, count, elements);
}

EXPORTED Status cudnnBackendFinalize(void* descriptor) {
  Descriptor* const d = find(descriptor);
  if (!d || d->isFinal) return refuse(CUDNN_STATUS_BAD_PARAM, "a descriptor to make final");
  for (const Rule& rule : kRules.at(d->type)) {
    if (d->values.contains(rule.attribute)) continue;
    return refuse(CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(rule.attribute) + " is missing");
  }
  const Status status = finalizeByType(*d);
  d->isFinal = status == CUDNN_STATUS_SUCCESS;
  return status;
}

EXPORTED Status cudnnBackendExecute(Context* handle, void* executionPlan, void* variantPack) {
  const Descriptor *const plan = find(executionPlan), *const pack = find(variantPack);
  if (handle != kContext || !plan || !pack || !isFinal(plan, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) ||
      !isFinal(pack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)) {
    return refuse(CUDNN_STATUS_BAD_PARAM, "what to execute");
  }
  return execute(*handle, *plan, *pack);
}

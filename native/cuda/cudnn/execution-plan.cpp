#include "cuda/cudnn/execution-plan.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.h"

namespace ocrnet::cuda::cudnn {

namespace {

enum TensorId : std::int64_t { kX = 1, kFilter = 2, kY = 3 };

/// The attributes of one kind of operation.
struct OperationAttributes {
  DescriptorType type;
  Attribute x, filter, y, convolution, alpha, beta;
};

OperationAttributes attributesOf(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return {DescriptorType::operationConvolutionForward,
              Attribute::forwardX,
              Attribute::forwardW,
              Attribute::forwardY,
              Attribute::forwardConvolution,
              Attribute::forwardAlpha,
              Attribute::forwardBeta};
    case Pass::inputGradient:
      return {DescriptorType::operationConvolutionBackwardData,
              Attribute::backwardDataDx,
              Attribute::backwardDataW,
              Attribute::backwardDataDy,
              Attribute::backwardDataConvolution,
              Attribute::backwardDataAlpha,
              Attribute::backwardDataBeta};
    case Pass::filterGradient:
      break;
  }
  return {DescriptorType::operationConvolutionBackwardFilter,
          Attribute::backwardFilterX,
          Attribute::backwardFilterDw,
          Attribute::backwardFilterDy,
          Attribute::backwardFilterConvolution,
          Attribute::backwardFilterAlpha,
          Attribute::backwardFilterBeta};
}

/// Whether what an engine notes about its arithmetic is out of the question. Sums are in float32 everywhere
/// else; a Fourier transform's errors are those of the largest number of the whole picture; Winograd's
/// transforms would be rounded to 16 bits.
bool isRuledOut(NumericalNote note, const Convolution& convolution) {
  const bool isFloat32 = convolution.x.type == DataType::float32;
  switch (note) {
    case NumericalNote::nondeterministic:
    case NumericalNote::downConvertInputs:
    case NumericalNote::reducedPrecisionReduction:
    case NumericalNote::fft:
      return true;
    case NumericalNote::tensorCore:
      return isFloat32 && !convolution.tf32;
    case NumericalNote::winograd:
    case NumericalNote::winogradTile4x4:
    case NumericalNote::winogradTile6x6:
    case NumericalNote::winogradTile13x13:
      return !isFloat32;
  }
  return false;  // of notes that came later none is known to matter: the tuner compares results
}

bool isWanted(const Descriptor& config, const Convolution& convolution) {
  const std::vector<Descriptor> engine = config.get(Attribute::engineConfigEngine, DescriptorType::engine, 1);
  if (engine.empty()) return false;
  std::array<NumericalNote, 32> notes{};
  const std::int64_t count = engine.front().get(Attribute::engineNumericalNote, std::span(notes));
  return std::none_of(notes.begin(), notes.begin() + std::min<std::int64_t>(count, notes.size()),
                      [&](NumericalNote note) { return isRuledOut(note, convolution); });
}

/// What the heuristics propose, the best first; nothing where they know nothing.
std::vector<Descriptor> proposals(const Library& library, const Descriptor& graph, HeuristicMode mode) {
  Descriptor heuristics(library, DescriptorType::engineHeuristics);
  heuristics.set(Attribute::engineHeuristicsOperationGraph, graph).set(Attribute::engineHeuristicsMode, mode);
  if (heuristics.tryFinalize() != Status::success) return {};
  const std::int64_t count = heuristics.get(Attribute::engineHeuristicsResults, std::span<RawDescriptor>());
  return heuristics.get(Attribute::engineHeuristicsResults, DescriptorType::engineConfig, count);
}

/// Null where the engine turns out not to take the problem: there is no other way to find out.
std::optional<Descriptor> tryPlan(const Library& library, Handle handle, const Descriptor& config) {
  Descriptor plan(library, DescriptorType::executionPlan);
  plan.set(Attribute::executionPlanHandle, handle).set(Attribute::executionPlanEngineConfig, config);
  if (plan.tryFinalize() != Status::success) return std::nullopt;
  return plan;
}

}  // namespace

ExecutionPlan::ExecutionPlan(const Library& library, Handle handle, const Convolution& convolution)
    : library_(library) {
  Descriptor graph(library, DescriptorType::operationGraph);
  graph.set(Attribute::operationGraphHandle, handle)
      .set(Attribute::operationGraphOperations, describeOperation(convolution))
      .finalize("describing a convolution");
  for (const HeuristicMode mode : {HeuristicMode::a, HeuristicMode::fallback}) {
    for (Descriptor& config : proposals(library, graph, mode)) {
      if (!isWanted(config, convolution)) continue;
      std::optional<Descriptor> plan = tryPlan(library, handle, config);
      if (!plan) continue;
      const auto bytes = plan->get<std::int64_t>(Attribute::executionPlanWorkspaceSize);
      if (bytes > kMostWorkspaceBytes) continue;
      workspaceBytes_ = static_cast<std::size_t>(bytes);
      keep(std::move(graph));
      keep(std::move(config));
      keep(std::move(*plan));
      return;
    }
  }
  throw Error("UNSUPPORTED", "cuDNN " + library.version +
                                 " has no engine for the convolution that is deterministic and precise, and "
                                 "needs no more workspace than " +
                                 std::to_string(kMostWorkspaceBytes) + " bytes");
}

void ExecutionPlan::execute(Handle handle, const Pointers& pointers) const {
  const std::array<std::int64_t, 3> ids{kX, kFilter, kY};
  // cuDNN takes all pointers as those to what may be written.
  const std::array<void*, 3> data{const_cast<void*>(pointers.x), const_cast<void*>(pointers.filter),
                                  const_cast<void*>(pointers.y)};
  Descriptor pack(library_, DescriptorType::variantPack);
  pack.set(Attribute::variantPackUniqueIds, std::span(ids))
      .set(Attribute::variantPackDataPointers, std::span(data))
      .set(Attribute::variantPackWorkspace, pointers.workspace)
      .finalize("binding a convolution's tensors");
  check(library_, library_.functions.backendExecute(handle, kept_.back().raw(), pack.raw()),
        "executing a convolution");
}

RawDescriptor ExecutionPlan::keep(Descriptor descriptor) {
  return kept_.emplace_back(std::move(descriptor)).raw();
}

RawDescriptor ExecutionPlan::describeTensor(const Tensor& tensor, std::int64_t id) {
  const std::optional<ElementType> type = elementTypeOf(tensor.type);
  if (!type) throw Error("UNSUPPORTED", "cuDNN convolves no such elements");
  Descriptor descriptor(library_, DescriptorType::tensor);
  descriptor.set(Attribute::tensorDataType, *type)
      .set(Attribute::tensorDimensions, std::span(tensor.dimensions))
      .set(Attribute::tensorStrides, std::span(tensor.strides))
      .set(Attribute::tensorUniqueId, id)
      .set(Attribute::tensorByteAlignment, tensor.alignment)
      .finalize("describing a tensor");
  return keep(std::move(descriptor));
}

RawDescriptor ExecutionPlan::describeWindow(const Convolution& convolution) {
  constexpr std::int64_t kSpatialDimensions = 2;
  const auto both = [](std::int64_t number) { return std::array{number, number}; };
  const auto stride = both(convolution.stride), padding = both(convolution.padding),
             dilation = both(convolution.dilation);
  Descriptor descriptor(library_, DescriptorType::convolution);
  descriptor.set(Attribute::convolutionComputeType, ElementType::float32)
      .set(Attribute::convolutionMode, ConvolutionMode::crossCorrelation)
      .set(Attribute::convolutionSpatialDimensions, kSpatialDimensions)
      .set(Attribute::convolutionPrePaddings, std::span(padding))
      .set(Attribute::convolutionPostPaddings, std::span(padding))
      .set(Attribute::convolutionDilations, std::span(dilation))
      .set(Attribute::convolutionFilterStrides, std::span(stride))
      .finalize("describing a window");
  return keep(std::move(descriptor));
}

RawDescriptor ExecutionPlan::describeOperation(const Convolution& convolution) {
  const OperationAttributes a = attributesOf(convolution.pass);
  Descriptor descriptor(library_, a.type);
  descriptor.set(a.x, describeTensor(convolution.x, kX))
      .set(a.filter, describeTensor(convolution.filter, kFilter))
      .set(a.y, describeTensor(convolution.y, kY))
      .set(a.convolution, describeWindow(convolution))
      .set(a.alpha, 1.0f)
      .set(a.beta, 0.0f)
      .finalize("describing an operation");
  return keep(std::move(descriptor));
}

}  // namespace ocrnet::cuda::cudnn

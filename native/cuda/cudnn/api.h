#pragma once

// What is used of cuDNN's backend API, which is the same in all of cuDNN 9: after NVIDIA's cuDNN backend API
// reference, "cudnn_graph library", and its header cudnn_graph.h, whose numbers these are. Names are theirs
// without CUDNN_ATTR_, CUDNN_TYPE_, CUDNN_BACKEND_ and so on.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace ocrnet::cuda::cudnn {

inline constexpr std::size_t kMajorVersion = 9;

using Handle = struct Context*;
/// `void*` in NVIDIA's header.
using RawDescriptor = struct BackendDescriptor*;

/// Thousands are categories.
enum class Status : std::uint32_t { success = 0 };
inline constexpr std::uint32_t kNotSupported = 3;

enum class DescriptorType : std::uint32_t {
  convolution = 1,
  engine = 2,
  engineConfig = 3,
  engineHeuristics = 4,
  executionPlan = 5,
  operationConvolutionForward = 10,
  operationConvolutionBackwardFilter = 11,
  operationConvolutionBackwardData = 12,
  operationGraph = 15,
  variantPack = 16,
  tensor = 17,
};

enum class AttributeType : std::uint32_t {
  handle = 0,
  dataType = 1,
  int64 = 3,
  float32 = 4,
  voidPointer = 6,
  convolutionMode = 7,
  heuristicMode = 8,
  numericalNote = 11,
  backendDescriptor = 15,
};

enum class Attribute : std::uint32_t {
  convolutionComputeType = 100,
  convolutionMode = 101,
  convolutionDilations = 102,
  convolutionFilterStrides = 103,
  convolutionPostPaddings = 104,
  convolutionPrePaddings = 105,
  convolutionSpatialDimensions = 106,

  engineHeuristicsMode = 200,
  engineHeuristicsOperationGraph = 201,
  engineHeuristicsResults = 202,

  engineConfigEngine = 300,

  executionPlanHandle = 400,
  executionPlanEngineConfig = 401,
  executionPlanWorkspaceSize = 402,

  forwardAlpha = 700,
  forwardBeta = 701,
  forwardConvolution = 702,
  forwardW = 703,
  forwardX = 704,
  forwardY = 705,
  backwardDataAlpha = 706,
  backwardDataBeta = 707,
  backwardDataConvolution = 708,
  backwardDataW = 709,
  backwardDataDx = 710,
  backwardDataDy = 711,
  backwardFilterAlpha = 712,
  backwardFilterBeta = 713,
  backwardFilterConvolution = 714,
  backwardFilterDw = 715,
  backwardFilterX = 716,
  backwardFilterDy = 717,

  operationGraphHandle = 800,
  operationGraphOperations = 801,

  tensorByteAlignment = 900,
  tensorDataType = 901,
  tensorDimensions = 902,
  tensorStrides = 903,
  tensorUniqueId = 906,

  variantPackUniqueIds = 1000,
  variantPackDataPointers = 1001,
  variantPackWorkspace = 1003,

  engineNumericalNote = 1303,
};

enum class ElementType : std::uint32_t { float32 = 0, float16 = 2, bfloat16 = 9 };

enum class ConvolutionMode : std::uint32_t { crossCorrelation = 1 };

enum class HeuristicMode : std::uint32_t { fallback = 2, a = 3 };

/// What an engine says of its arithmetic.
enum class NumericalNote : std::uint32_t {
  tensorCore = 0,
  downConvertInputs = 1,
  reducedPrecisionReduction = 2,
  fft = 3,
  nondeterministic = 4,
  winograd = 5,
  winogradTile4x4 = 6,
  winogradTile6x6 = 7,
  winogradTile13x13 = 8,
};

/// The library's functions, each by its name without `cudnn`.
struct Functions {
  std::size_t (*getVersion)();
  const char* (*getErrorString)(Status);
  void (*getLastErrorString)(char* message, std::size_t maximumSize);
  Status (*create)(Handle*);
  Status (*setStream)(Handle, cudaStream_t);
  Status (*backendCreateDescriptor)(DescriptorType, RawDescriptor*);
  Status (*backendDestroyDescriptor)(RawDescriptor);
  Status (*backendSetAttribute)(RawDescriptor, Attribute, AttributeType, std::int64_t elementCount,
                                const void* elements);
  Status (*backendGetAttribute)(RawDescriptor, Attribute, AttributeType, std::int64_t requestedElementCount,
                                std::int64_t* elementCount, void* elements);
  Status (*backendFinalize)(RawDescriptor);
  Status (*backendExecute)(Handle, RawDescriptor executionPlan, RawDescriptor variantPack);
};

}  // namespace ocrnet::cuda::cudnn

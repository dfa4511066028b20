#include "emulation/tensor-map.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "emulation/include/cuda.h"
#include "emulation/include/cuda_runtime.h"

namespace ocrnet::emulation {

namespace {

constexpr unsigned kMapAlignment = 64, kTensorAlignment = 16, kMostStep = 8;
constexpr unsigned kMostBoxRows = 256, kMostBoxPixels = 1024;
constexpr std::uint64_t kMostSize = std::uint64_t{1} << 32, kStridesEnd = std::uint64_t{1} << 40;
static_assert(sizeof(EncodedMap) <= sizeof(CUtensorMap));

bool isAligned(const void* address, unsigned alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

/// Of an element; 0 of types that no kernel copies.
unsigned bytesOf(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
      return 2;
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT32:
    case CU_TENSOR_MAP_DATA_TYPE_TFLOAT32:
      return 4;
    default:
      return 0;
  }
}

/// How elements lie in shared memory, and what there is outside of the tensor.
struct Layout {
  CUtensorMapInterleave interleave;
  CUtensorMapSwizzle swizzle;
  CUtensorMapFloatOOBfill fill;

  bool isEmulated() const {
    return interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
           fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
  }
};

/// What maps of both kinds say of their tensor; nothing where the driver refuses it.
std::optional<EncodedMap> encode(CUtensorMapDataType type, unsigned rank, const void* first,
                                 const cuuint64_t* sizes, const cuuint64_t* strides,
                                 const cuuint32_t* steps) {
  EncodedMap map{};
  map.mark = EncodedMap::kMark;
  map.first = static_cast<const std::byte*>(first);
  map.elementBytes = static_cast<std::uint8_t>(bytesOf(type));
  map.roundsToTf32 = type == CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;
  if (map.elementBytes == 0 || !first || !isAligned(first, kTensorAlignment)) return {};
  for (unsigned i = 0; i < rank; ++i) {
    if (sizes[i] < 1 || sizes[i] > kMostSize) return {};
    map.lasts[i] = static_cast<std::uint32_t>(sizes[i] - 1);
    if (i == 0) continue;  // whose elements are neighbours
    if (steps[i] < 1 || steps[i] > kMostStep) return {};
    map.steps[i] = static_cast<std::uint8_t>(steps[i]);
    const cuuint64_t stride = strides[i - 1], within = i == 1 ? map.elementBytes : strides[i - 2];
    if (stride % kTensorAlignment != 0 || stride >= kStridesEnd || stride < within * sizes[i - 1]) return {};
    map.strides[i - 1] = stride;
  }
  return map;
}

CUresult give(CUtensorMap* to, const EncodedMap& map) {
  std::memset(to, 0, sizeof *to);
  std::memcpy(to, &map, sizeof map);
  return CUDA_SUCCESS;
}

}  // namespace

}  // namespace ocrnet::emulation

using namespace ocrnet::emulation;

// Rows are of 128 bytes: where fewer are copied than swizzled, CUDA leaves open how they lie.

CUresult cuTensorMapEncodeTiled(CUtensorMap* tensorMap, CUtensorMapDataType tensorDataType,
                                cuuint32_t tensorRank, void* globalAddress, const cuuint64_t* globalDim,
                                const cuuint64_t* globalStrides, const cuuint32_t* boxDim,
                                const cuuint32_t* elementStrides, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                                CUtensorMapFloatOOBfill oobFill) {
  if (!isAligned(tensorMap, kMapAlignment) || tensorRank != 2 ||
      !Layout{interleave, swizzle, oobFill}.isEmulated()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto map = encode(tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, elementStrides);
  if (!map || boxDim[0] != kCopiedRowBytes / map->elementBytes || boxDim[1] < 1 || boxDim[1] > kMostBoxRows) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  map->rows = static_cast<std::uint16_t>((boxDim[1] + map->steps[1] - 1) / map->steps[1]);
  return give(tensorMap, *map);
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap* tensorMap, CUtensorMapDataType tensorDataType,
                                 cuuint32_t tensorRank, void* globalAddress, const cuuint64_t* globalDim,
                                 const cuuint64_t* globalStrides, const int* pixelBoxLowerCorner,
                                 const int* pixelBoxUpperCorner, cuuint32_t channelsPerPixel,
                                 cuuint32_t pixelsPerColumn, const cuuint32_t* elementStrides,
                                 CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                 CUtensorMapL2promotion, CUtensorMapFloatOOBfill oobFill) {
  if (!isAligned(tensorMap, kMapAlignment) || tensorRank != 4 ||
      !Layout{interleave, swizzle, oobFill}.isEmulated()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto map = encode(tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, elementStrides);
  if (!map || channelsPerPixel != kCopiedRowBytes / map->elementBytes || pixelsPerColumn < 1 ||
      pixelsPerColumn > kMostBoxPixels || map->steps[3] != 1) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  map->ofPixels = true;
  map->rows = static_cast<std::uint16_t>(pixelsPerColumn);
  for (unsigned i = 0; i < 2; ++i) {
    const int lower = pixelBoxLowerCorner[i], upper = pixelBoxUpperCorner[i];
    const bool empty = map->size(1 + i) - 1 + upper < lower;
    if (empty || std::min(lower, upper) < -128 || std::max(lower, upper) > 127) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    map->lowerCorner[i] = static_cast<std::int8_t>(lower);
    map->upperCorner[i] = static_cast<std::int8_t>(upper);
  }
  return give(tensorMap, *map);
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned cudaVersion,
                                             unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* status) {
  constexpr unsigned kFirstVersion = 12000;
  if (flags != cudaEnableDefault) return cudaErrorInvalidValue;
  const auto is = [&](const char* name) { return std::strcmp(symbol, name) == 0; };
  *function = nullptr;
  if (is("cuTensorMapEncodeTiled")) *function = reinterpret_cast<void*>(&cuTensorMapEncodeTiled);
  if (is("cuTensorMapEncodeIm2col")) *function = reinterpret_cast<void*>(&cuTensorMapEncodeIm2col);
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSuccess;
  if (!*function) result = cudaDriverEntryPointSymbolNotFound;
  if (*function && cudaVersion < kFirstVersion) {
    *function = nullptr;
    result = cudaDriverEntryPointVersionNotSufficent;
  }
  if (status) *status = result;
  return cudaSuccess;
}

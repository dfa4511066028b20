#include "cuda/tensor-map.h"

#include <cuda.h>
#include <cuda_runtime.h>

#include <string>

#include "core/error.h"
#include "cuda/check.h"

namespace ocrnet::cuda {

namespace {

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) == alignof(CUtensorMap));

/// A function of the driver, which is not linked.
template <class Function>
Function* driverFunction(const char* name) {
  constexpr unsigned kFirstVersion = 12000;
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion(name, &function, kFirstVersion, cudaEnableDefault, &found));
  if (found != cudaDriverEntryPointSuccess || !function) {
    throw Error("UNSUPPORTED", std::string("the NVIDIA driver has no ") + name);
  }
  return reinterpret_cast<Function*>(function);
}

void requireEncoded(CUresult result) {
  if (result == CUDA_SUCCESS) return;
  throw Error("EXECUTION_FAILED", "the NVIDIA driver refuses a tensor's description (CUresult " +
                                      std::to_string(static_cast<int>(result)) + ")");
}

CUtensorMapDataType typeOf(DataType type) {
  switch (type) {
    case DataType::bfloat16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case DataType::float16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    default:
      return CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;
  }
}

CUtensorMap* encoded(TensorMap& map) { return reinterpret_cast<CUtensorMap*>(&map); }

cuuint64_t size(std::int64_t number) { return static_cast<cuuint64_t>(number); }
cuuint32_t count(std::int64_t number) { return static_cast<cuuint32_t>(number); }

}  // namespace

TensorMap mapRows(const Matrix& matrix, int rowsOfBox) {
  static const auto encode = driverFunction<decltype(cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
  const std::int64_t bytes = bytesPerElement(matrix.type);
  const cuuint64_t sizes[] = {size(matrix.columns), size(matrix.rows)};
  const cuuint64_t strides[] = {size(matrix.stride * bytes)};
  const cuuint32_t box[] = {count(kBoxRowBytes / bytes), count(rowsOfBox)}, steps[] = {1, 1};
  TensorMap map{};
  requireEncoded(encode(encoded(map), typeOf(matrix.type), 2, const_cast<void*>(matrix.data), sizes, strides,
                        box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

TensorMap mapPixels(const Images& images, const PixelRange& vertical, const PixelRange& horizontal,
                    int pixelsOfBox) {
  static const auto encode = driverFunction<decltype(cuTensorMapEncodeIm2col)>("cuTensorMapEncodeIm2col");
  const std::int64_t bytes = bytesPerElement(images.type), pixel = images.stride * bytes;
  const std::int64_t row = images.width * pixel;
  const cuuint64_t sizes[] = {size(images.channels), size(images.width), size(images.height),
                              size(images.batch)};
  const cuuint64_t strides[] = {size(pixel), size(row), size(images.height * row)};
  // Corners count from the image's own.
  const int lower[] = {horizontal.first, vertical.first};
  const int upper[] = {horizontal.last - (images.width - 1), vertical.last - (images.height - 1)};
  const cuuint32_t steps[] = {1, count(horizontal.step), count(vertical.step), 1};
  TensorMap map{};
  requireEncoded(encode(encoded(map), typeOf(images.type), 4, const_cast<void*>(images.data), sizes, strides,
                        lower, upper, count(kBoxRowBytes / bytes), count(pixelsOfBox), steps,
                        CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

}  // namespace ocrnet::cuda

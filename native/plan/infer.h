#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace ocrnet {

/// What of a tensor does not depend on where it lies.
struct TensorType {
  DataType dataType;
  std::uint32_t rank;
  std::array<std::int64_t, 4> shape;  // 1 beyond the rank

  bool operator==(const TensorType&) const = default;
};

inline TensorType typeOf(const TensorInfo& tensor) { return {tensor.dataType, tensor.rank, tensor.shape}; }

/// As lib/ir/tensor-type.ts formats it: "float32[1×8×8×3]".
std::string formatType(const TensorType& type);

/// The outputs' types from the inputs' (null where absent): the twin of the specs' `infer` in lib/ops. Sizes
/// come out as computed, zero or beyond all bounds where they do so in the spec. Throws Error("INVALID_PLAN")
/// where the inputs do not fit.
std::vector<TensorType> inferTypes(const Attributes& attributes, std::span<const TensorInfo* const> inputs);

}  // namespace ocrnet

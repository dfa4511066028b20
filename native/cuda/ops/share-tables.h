#pragma once

#include "core/bilinear.h"
#include "cuda/table.h"

namespace ocrnet::cuda {

/// What each position of an axis gave to the outputs, see BilinearShares.
struct Shares {
  const BilinearShare* shares;
  const float* weights;
};

/// The shares of an axis on the device.
struct ShareTables {
  Table<BilinearShare> shares;
  Table<float> weights;

  ShareTables(const Parameters& parameters, const BilinearShares& made)
      : shares(parameters, made.shares), weights(parameters, made.weights) {}
  ShareTables(const Parameters& parameters, std::int64_t size, std::int64_t outputSize, bool alignCorners)
      : ShareTables(parameters, bilinearShares(bilinearTaps(size, outputSize, alignCorners), size)) {}
  Shares get() const { return {shares.data(), weights.data()}; }
};

}  // namespace ocrnet::cuda

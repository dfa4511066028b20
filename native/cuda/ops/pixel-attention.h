#pragma once

// What the attentions over pixels (lib/ops/attend-pixels.ts, attend-criss-cross.ts) are made of: sums over
// pixels with weights, one for each pair of pixels, which never exist as a whole.

#include "cuda/op.h"

namespace ocrnet::cuda {

/// Sets of pixels at equal distances. Attention is within a set: of the queries' pixels to the keys' in the
/// set of the same number.
struct PixelSets {
  std::int64_t count, length;          // sets; pixels of each
  std::int64_t perImage, imagePixels;  // sets and pixels of an image
  std::int64_t distance, step;         // between sets of an image, and between pixels of a set, in pixels

  __host__ __device__ std::int64_t pixel(std::int64_t set, std::int64_t place) const {
    return set / perImage * imagePixels + set % perImage * distance + place * step;
  }
};

/// Every image, every row of one and every column.
PixelSets imageSets(const TensorInfo& map);
PixelSets rowSets(const TensorInfo& map);
PixelSets columnSets(const TensorInfo& map);

/// Which sums: the attention or one of its gradients.
enum class AttentionPass { y, dQuery, dKey, dValue };

/// sums_i = Σ_j w_ij · terms_j over the matrix of weights of each set, with score_ij = scale · rowFactor_i ·
/// columnFactor_j:
///
///     y        rows are queries   w = exp(score − logSumExp_i)
///     dQuery   rows are queries   w = scale · exp(score − logSumExp_i) (rowGradient_i · columnGradient_j −
///     means_i) dKey     rows are keys      the same, transposed: with logSumExp_j and means_j dValue   rows
///     are keys      w = exp(score − logSumExp_j)
///
/// where of y logSumExp comes out, and of the others goes in.
struct WeightedSums {
  DataType type;
  std::size_t sharedBytes;  // that a block may have
  PixelSets rows, columns;
  std::int64_t depth, channels, width;  // of factors, of gradients (dy and value), of terms
  Source rowFactors, columnFactors, rowGradients, columnGradients, terms;
  Source logSumExp;  // float32; of y what `sums` are of already, or null
  Source means;      // float32, dy · y
  Target sums;
  Target newLogSumExp;  // of y: float32, or null
  float scale;
  bool exceptOwn;  // pairs of the same place have no weight
  bool adds;       // to sums that are there already; of y, where there is a logSumExp
};

/// Throws Error("UNSUPPORTED") where blocks have not the shared memory for any kernel.
void requireSums(const Device& device);
void enqueueSums(AttentionPass pass, const WeightedSums& sums, cudaStream_t stream);

/// The forward operations: y and, unless null, logSumExp.
struct Attention {
  DataType type;
  std::size_t sharedBytes;
  std::int64_t depth, channels;
  float scale;
  Source query, key, value;
  Target y;

  Attention(const StepDescription& step, const Device& device, float scale);
  void locate(const StepMemory& memory);
  /// `before`: the logSumExp of what y has already, or null.
  void enqueue(const PixelSets& queries, const PixelSets& keys, Source before, Target logSumExp,
               bool exceptOwn, cudaStream_t stream) const;
};

/// The backward operations, each gradient unless it is null.
struct AttentionGradient {
  DataType type;
  std::size_t sharedBytes;
  std::int64_t depth, channels, pixels;  // pixels of the queries' map
  float scale;
  Source query, key, value, y, logSumExp, dy;
  Target dQuery, dKey, dValue;
  float* means;  // (pixels)

  AttentionGradient(const StepDescription& step, const Device& device, float scale);
  static std::size_t scratchBytes(const StepDescription& step);
  void locate(const StepMemory& memory);
  void enqueueMeans(cudaStream_t stream) const;
  /// `adds`: to gradients that are there already.
  void enqueue(const PixelSets& queries, const PixelSets& keys, bool exceptOwn, bool adds,
               cudaStream_t stream) const;
};

}  // namespace ocrnet::cuda

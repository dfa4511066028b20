#pragma once

// The inner loops of the operations, compiled once for each instruction set: what each one reads, writes and
// where. A kernel works on a range of an operation's rows, pixels or blocks; ops/<operation>.cpp shares them
// out to the threads. Semantics: lib/ops/<operation>.ts.

#include <cstddef>
#include <cstdint>

#include "core/bilinear.h"
#include "core/dropout-mask.h"
#include "core/epilogue.h"
#include "core/range.h"
#include "cpu/isa.h"

namespace ocrnet::cpu {

/// No instruction set has more floats in a vector: for sizing scratch.
inline constexpr std::int64_t kMostLanes = 16;

/// An activation tensor as a list of pixels: rows of channels, `stride` elements from one to the next. Null
/// where an optional tensor is absent.
struct Source {
  const void* data;
  std::int64_t stride;
};
struct Target {
  void* data;
  std::int64_t stride;
};

struct NormalizeImage {
  const std::uint8_t* image;  // (pixels, channels)
  const float *scale, *shift;
  bool reverseChannels;
  std::int64_t channels;
  DataType outputType;
  void* y;
};

/// y = activation(x · scale + shift + residual), or of x + residual where scale is null: scaleShift,
/// activate, add. A null shift is zero.
struct Affine {
  DataType type;
  std::int64_t channels;
  Source x;
  const float *scale, *shift;
  Source residual;
  Target y;
  Epilogue epilogue;
};

struct Cast {
  DataType inputType, outputType;
  std::int64_t channels;
  Source x;
  Target y;
};

struct MaxPool2d {
  DataType type;
  std::int64_t height, width, outputHeight, outputWidth, channels;
  std::int64_t kernel, stride, padding;
  Source x;
  Target y;
};

struct AdaptiveAveragePool2d {
  DataType type;
  std::int64_t height, width, outputHeight, outputWidth, channels;
  Source x;
  Target y;
};

struct ResizeBilinear {
  DataType type;
  std::int64_t height, width, outputHeight, outputWidth, channels;
  const BilinearTap *rows, *columns;  // (outputHeight), (outputWidth)
  Source x, residual;
  Target y;
  Epilogue epilogue;
  std::int64_t tileWidth;  // output columns whose horizontally interpolated rows are kept
  float* keptRows;         // scratch of one thread: (2, tileWidth, channels)
};

/// One of the small maps of resizeTaps: its products with each tap of the filter.
struct TapMap {
  std::int64_t height, width;
  const BilinearTap *rows, *columns;  // (outputHeight), (outputWidth)
  const float* z;                     // (height, width, kernel², channels) of each image
  std::int64_t stride;                // from pixel to pixel
};

/// A term of a sum: a row of channels.
struct WeightedRow {
  const float* row;
  float weight;
};

struct ResizeTaps {
  DataType outputType;  // of y and the residual
  std::int64_t outputHeight, outputWidth, channels;
  std::int64_t kernel, dilation;
  const TapMap* maps;
  std::int64_t mapCount;
  Source residual;
  Target y;
  Epilogue epilogue;
  std::int64_t tileWidth, tileChannels;  // of what is made of mixed rows that stay in the cache
  std::int64_t mixedColumns;             // of a map, at most, for a tile and a column of taps
  // Scratch of one thread.
  float* mixedRows;    // (maps, kernel, mixedColumns, tileChannels)
  WeightedRow* terms;  // 2 · kernel · maps
};

struct ResizeBilinearGradient {
  std::int64_t height, width, outputHeight, outputWidth, channels;  // of x, and the outputs' of y
  const BilinearTap* rows;                                          // (outputHeight)
  const BilinearShare* columns;                                     // (width)
  const float* columnWeights;
  Source dy;
  Target dx;
};

struct MaxPool2dGradient {
  std::int64_t height, width, outputHeight, outputWidth, channels;
  std::int64_t kernel, stride, padding;
  Source x, dy;
  Target dx;
};

struct AdaptiveAveragePool2dGradient {
  DataType type;
  std::int64_t height, width, outputHeight, outputWidth, channels;  // of x, and the outputs' of y
  const float* shares;  // (outputHeight, outputWidth): of a pixel in the mean of a cell
  Source dy;
  Target dx;
};

struct Softmax {
  DataType type;
  std::int64_t channels;
  float scale;
  Source x;
  Target y;
};

struct SoftmaxGradient {
  std::int64_t channels;
  float scale;
  Source y, dy;
  Target dx;
};

struct SpatialSoftmax {
  DataType type;
  std::int64_t classes;
  float scale;
  Source logits;
  float* regions;  // (pixels, classes)
  float* rows;     // scratch of one thread: (2, classes · kMostLanes)
};

struct SpatialSoftmaxGradient {
  std::int64_t classes;
  float scale;
  const float *regions, *dRegions;  // (pixels, classes)
  float* dLogits;                   // (pixels, classes)
  float* row;                       // scratch of one thread: (classes · kMostLanes)
};

struct AggregateRegions {
  DataType type;
  std::int64_t classes, channels;
  const float* regions;  // (pixels, classes)
  Source features;
  float* sums;                  // (classes, paddedChannels)
  std::int64_t paddedChannels;  // a multiple of kMostLanes
};

struct AttendRegions {
  DataType type;
  std::int64_t depth, classes, channels;
  float scale;
  Epilogue epilogue;
  Source query;
  const float *packedKey, *packedValue;  // of the image, see packPanels
  Target y;
  float* relation;  // scratch of one thread: (kAttendedPixels, padded classes)
  float* queries;   // scratch of one thread: (kAttendedPixels, depth), where the queries are bfloat16
};
inline constexpr std::int64_t kAttendedPixels = 48;

struct AttendRegionsGradient {
  std::int64_t depth, classes, channels;
  float scale;
  Source query, dy;
  const float *packedKey, *packedValue;  // transposed, of the image, see packPanels
  const float* packedKeyRows;            // not transposed
  Target dQuery;                         // data is null where nobody reads it, as below
  float *dKey, *dValue;                  // sums: (classes, depth) and (classes, channels) of whole vectors
  std::int64_t paddedDepth, paddedChannels;
  float *relation, *scores;  // scratch of one thread: (kAttendedPixels, padded classes) each
};

/// Attention of an image's pixels over the pixels of its key and value.
struct AttendPixels {
  DataType type;
  std::int64_t depth, channels;
  std::int64_t keys, keyBlock;  // so many keys at a time
  float scale;
  bool exceptOwn;  // the i-th query does not attend to the i-th key
  Source query, key, value;
  Target y, logSumExp;  // logSumExp in float32; its data is null where nobody reads it
  // Scratch of one thread; channels are rounded up to kMostLanes.
  float* queries;  // (kAttentionBlock, depth), in panels
  float* keyRows;  // (keyBlock, depth), where keys are bfloat16, or far from each other; otherwise null
  float* values;   // (keyBlock, channels), in panels
  float* weights;  // (keyBlock, kWeightStride)
  float* sums;     // (kAttentionBlock, channels)
  float* state;    // (3, kAttentionBlock)
};
/// Queries that pass over the keys together, and that are in the caches together.
inline constexpr std::int64_t kAttentionBlock = 256, kAttentionGroup = 64;
/// Of weights, keys as rows: an odd number of cache lines.
inline constexpr std::int64_t kWeightStride = kAttentionGroup + kMostLanes;

/// Attention over the keys of two sets, from the attention over each: added up by their shares of the
/// weights.
struct MergeAttention {
  DataType type;
  std::int64_t channels;
  Target y, logSumExp;  // of the one set, then of both; logSumExp in float32
  Source otherY, otherLogSumExp;
};

/// float32. What some queries and some keys of one image add to dQuery, dKey and dValue; their data is null
/// where nobody reads them.
struct AttendPixelsGradient {
  std::int64_t depth, channels;
  float scale;
  bool exceptOwn;  // as in AttendPixels
  Source query, key, value, y, logSumExps, dy;
  Target dQuery, dKey, dValue;
  // Scratch of one thread; depth and channels are rounded up to kMostLanes.
  float *queryColumns, *queryRows;  // (kAttentionGroup, depth), in panels
  float *dyColumns, *dyRows;        // (kAttentionGroup, channels), in panels
  float* keyRows;                   // (kGradientKeys, depth), in panels
  float *weights, *scores;          // (kGradientKeys, kWeightStride)
  float *logSumExp, *means;         // (kAttentionGroup)
};
inline constexpr std::int64_t kGradientKeys = 128;

/// y (pixels, columns) = x (pixels, depth) · a matrix in panels, see packPanels.
struct PixelProduct {
  DataType inputType, outputType;
  std::int64_t depth, columns;
  Source x;
  const float* panels;
  Target y;
  float* rows;  // scratch of one thread: (kProductPixels, depth), where x is bfloat16
};
/// So many read a panel while it is in the cache.
inline constexpr std::int64_t kProductPixels = 48;

struct ResizeArgmax {
  std::int64_t height, width, outputHeight, outputWidth, classes;
  const BilinearTap* rows;                           // (outputHeight)
  const std::int32_t *firstColumns, *secondColumns;  // (outputWidth, rounded up to kMostLanes)
  const float* columnWeights;                        // the same
  const float* logits;                               // (batch, height, width, classes)
  LabelType labelType;
  void* labels;       // (batch, outputHeight, outputWidth), or null
  float* confidence;  // the same, or null
  float* scratch;     // of one thread: (3, classes, width + kMostLanes) and (classes, kMostLanes)
};

struct ActivationGradient {
  DataType type;
  std::int64_t channels;
  Source dy, y;
  Target dx;
  Epilogue epilogue;
};

/// y = x · the factors of a dropout: of channels in rows (samples, factorStride); of elements, which are
/// drawn as they are needed, where those are null.
struct Dropout {
  DataType type;
  std::int64_t channels, samplePixels;
  Source x;
  Target y;
  DropoutMask mask;
  const std::int32_t* noise;
  const float* channelFactors;
  std::int64_t factorStride;
};

struct DotProduct {
  DataType type;
  std::int64_t channels;
  Source a, b;
};

/// x, or x · other where that is not null.
struct ChannelTerms {
  DataType type;
  Source x, other;
};

/// y = activation((x − mean) · scale + bias + residual).
struct BatchNorm {
  DataType type;
  std::int64_t channels;
  Source x;
  const float *mean, *scale, *bias;
  Source residual;
  Target y;
  Epilogue epilogue;
};

/// With g = dy · activation′ and d = x − mean, or d = activation⁻¹(y) − bias where x is null: dx =
/// gradientFactor · g − (constant + centredFactor · d), dResidual = g.
struct BatchNormGradient {
  DataType type;
  std::int64_t channels;
  Source dy, x, y;
  const float *mean, *scale, *bias;  // as in BatchNorm
  Epilogue epilogue;
  const float *gradientFactor, *constant, *centredFactor;
  Target dx, dResidual;  // dResidual may be null
};

/// Labels of a batch against logits that are resized to their size.
struct CrossEntropy {
  std::int64_t height, width, classes;  // of the logits
  std::int64_t labelHeight, labelWidth;
  const BilinearTap *rows, *columns;  // (labelHeight), (labelWidth)
  /// Of an image, the first row of labels that lies at or below each row of logits, and labelHeight.
  const std::int64_t* segments;
  const float* logits;
  LabelType labelType;
  const void* labels;
  std::int32_t ignoreLabel;
  const float* classWeights;  // null where all are 1
  float targetPart;           // of the target distribution that lies on the label
  const float* smoothing;     // (paddedClasses): the rest times the class weights; null where there is none
  float smoothingTotal;
  float* probabilities;  // of the labels, -1 where ignored; null where all pixels count
  float threshold;       // the highest of them that counts
  float gradientScale;
  float* dLogits;  // may be null
  /// Of one thread: five rows (width, paddedClasses), the last of them what the last segment adds to the row
  /// of logits below it; (paddedClasses); three times labelWidth, rounded up to kMostLanes.
  float* scratch;
};
constexpr std::int64_t paddedClasses(std::int64_t classes) {
  return (classes + kMostLanes - 1) / kMostLanes * kMostLanes;
}

/// See lib/ops/sgd.ts. newVelocity may be null.
struct Sgd {
  const float *parameters, *gradients, *velocity;
  float *newParameters, *newVelocity;
  float gradientScale, weightDecay, momentum, rate;
  bool nesterov;
};

/// first = beta1 · first + part1 · g, second = beta2 · second + part2 · g², parameters = kept · parameters −
/// rate · first / (rootScale · √second + epsilon). New moments may be null.
struct AdamW {
  const float *parameters, *gradients, *firstMoment, *secondMoment;
  float *newParameters, *newFirstMoment, *newSecondMoment;
  float gradientScale, kept, beta1, beta2, part1, part2, rate, rootScale, epsilon;
};

/// newTotal = keep · total + scale · part, without the total where that is null.
struct WeightedSum {
  const float *total, *part;
  float* newTotal;
  float keep, scale;
};

/// A filter of more taps has no kernel.
inline constexpr std::int64_t kMostDepthwiseTaps = 49;

/// dFilter (channels, taps) of a depthwise convolution of x (batch, height, width, channels), float32.
struct DepthwiseFilterGradient {
  std::int64_t batch, height, width, outputHeight, outputWidth;
  std::int64_t kernelHeight, kernelWidth, stride, padding, dilation;
  Source x, dy;
  float* dFilter;
};

/// One instruction set's kernels.
struct Kernels {
  void (*normalizeImage)(const NormalizeImage&, Range pixels);
  void (*affine)(const Affine&, Range pixels);
  void (*cast)(const Cast&, Range pixels);
  /// Rows of the batch's output images, as for the other operations on rows.
  void (*maxPool2d)(const MaxPool2d&, Range rows);
  /// Channels of one output pixel (counted over the batch).
  void (*adaptiveAveragePool2d)(const AdaptiveAveragePool2d&, std::int64_t pixel, Range channels);
  void (*resizeBilinear)(const ResizeBilinear&, Range rows);
  void (*resizeTaps)(const ResizeTaps&, Range rows);
  /// Rows of the batch's dx, as for the other gradients on rows.
  void (*resizeBilinearGradient)(const ResizeBilinearGradient&, Range rows);
  void (*maxPool2dGradient)(const MaxPool2dGradient&, Range rows);
  void (*adaptiveAveragePool2dGradient)(const AdaptiveAveragePool2dGradient&, Range rows);
  void (*softmax)(const Softmax&, Range pixels);
  void (*softmaxGradient)(const SoftmaxGradient&, Range pixels);
  /// regions = exp(scale · logits − maximum) over a block of pixels, with its maximum and sum (classes).
  void (*exponentiateRegions)(const SpatialSoftmax&, Range pixels, float* maximum, float* sum);
  /// regions *= factor (classes).
  void (*scaleRegions)(const SpatialSoftmax&, Range pixels, const float* factor);
  /// sum (classes) = regions · dRegions over a block of pixels.
  void (*sumRegionGradients)(const SpatialSoftmaxGradient&, Range pixels, float* sum);
  /// dLogits of a block of pixels from the sums (classes) over the image.
  void (*spatialSoftmaxGradient)(const SpatialSoftmaxGradient&, Range pixels, const float* sum);
  /// sums = regionsᵀ · features over some pixels.
  void (*aggregateRegions)(const AggregateRegions&, Range pixels);
  /// Some classes of y (classes, channels) = the total of `count` consecutive sums, in their order.
  void (*combineRegionSums)(const AggregateRegions&, std::int64_t count, Range classes, void* y);
  /// Cuts matrix (rows, columns), or with `transpose` its transpose, into the panels that kernels/product.h
  /// reads: rows · columns floats, the columns rounded up to kMostLanes.
  void (*packPanels)(DataType type, const void* matrix, std::int64_t rows, std::int64_t columns,
                     bool transpose, float* panels);
  void (*attendRegions)(const AttendRegions&, Range pixels);
  /// dQuery of some pixels, and their sums of dKey and dValue.
  void (*attendRegionsGradient)(const AttendRegionsGradient&, Range pixels);
  void (*attendPixels)(const AttendPixels&, Range queries);
  void (*mergeAttention)(const MergeAttention&, Range pixels);
  void (*attendPixelsGradient)(const AttendPixelsGradient&, Range queries, Range keys);
  void (*pixelProduct)(const PixelProduct&, Range pixels);
  void (*depthwiseFilterGradient)(const DepthwiseFilterGradient&, Range channels);
  void (*resizeArgmax)(const ResizeArgmax&, Range rows);
  void (*activationGradient)(const ActivationGradient&, Range pixels);
  /// Four factors of a sample for each of some quads of places.
  void (*drawFactors)(const DropoutMask&, const std::int32_t* noise, std::int64_t sample, Range quads,
                      float* factors);
  void (*dropout)(const Dropout&, Range pixels);
  double (*dotProduct)(const DotProduct&, Range pixels);
  /// Over some pixels, for some channels: sums += the terms. From here on, vectors of sums are as long as the
  /// channels rounded up to kMostLanes, and ranges of channels start at multiples of kMostLanes.
  void (*channelSums)(const ChannelTerms&, Range pixels, Range channels, float* sums);
  /// The same of x − shift and of its square, with a shift that is near the mean of these pixels.
  void (*channelMoments)(const ChannelTerms&, Range pixels, Range channels, float* shift, float* sums,
                         float* squares);
  void (*batchNorm)(const BatchNorm&, Range pixels);
  /// Sums of g and of g · d.
  void (*batchNormGradientSums)(const BatchNormGradient&, Range pixels, Range channels, float* sums,
                                float* products);
  void (*batchNormGradient)(const BatchNormGradient&, Range pixels);
  /// Rows of labels, counted over the batch.
  void (*targetProbabilities)(const CrossEntropy&, Range labelRows);
  /// Segments are the rows of logits, counted over the batch, with the labels below them: a loss for each.
  void (*crossEntropy)(const CrossEntropy&, Range segments, double* losses);
  void (*sgd)(const Sgd&, Range elements);
  void (*adamW)(const AdamW&, Range elements);
  void (*weightedSum)(const WeightedSum&, Range elements);
  double (*sumOfSquares)(const float* x, Range elements);
};

const Kernels& kernelsFor(Isa isa);

}  // namespace ocrnet::cpu

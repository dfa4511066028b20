#pragma once

// The kernels of one instruction set by name, for the sources that define them and for table.cpp.

#include "cpu/kernels/kernels.h"

namespace ocrnet::cpu::OCRNET_ISA {

void normalizeImage(const NormalizeImage&, Range pixels);
void affine(const Affine&, Range pixels);
void cast(const Cast&, Range pixels);
void maxPool2d(const MaxPool2d&, Range rows);
void adaptiveAveragePool2d(const AdaptiveAveragePool2d&, std::int64_t pixel, Range channels);
void resizeBilinear(const ResizeBilinear&, Range rows);
void resizeTaps(const ResizeTaps&, Range rows);
void resizeBilinearGradient(const ResizeBilinearGradient&, Range rows);
void maxPool2dGradient(const MaxPool2dGradient&, Range rows);
void adaptiveAveragePool2dGradient(const AdaptiveAveragePool2dGradient&, Range rows);
void softmax(const Softmax&, Range pixels);
void softmaxGradient(const SoftmaxGradient&, Range pixels);
void exponentiateRegions(const SpatialSoftmax&, Range pixels, float* maximum, float* sum);
void scaleRegions(const SpatialSoftmax&, Range pixels, const float* factor);
void sumRegionGradients(const SpatialSoftmaxGradient&, Range pixels, float* sum);
void spatialSoftmaxGradient(const SpatialSoftmaxGradient&, Range pixels, const float* sum);
void aggregateRegions(const AggregateRegions&, Range pixels);
void combineRegionSums(const AggregateRegions&, std::int64_t count, Range classes, void* y);
void packPanels(DataType, const void* matrix, std::int64_t rows, std::int64_t columns, bool transpose,
                float* panels);
void attendRegions(const AttendRegions&, Range pixels);
void attendRegionsGradient(const AttendRegionsGradient&, Range pixels);
void attendPixels(const AttendPixels&, Range queries);
void mergeAttention(const MergeAttention&, Range pixels);
void attendPixelsGradient(const AttendPixelsGradient&, Range queries, Range keys);
void pixelProduct(const PixelProduct&, Range pixels);
void depthwiseFilterGradient(const DepthwiseFilterGradient&, Range channels);
void resizeArgmax(const ResizeArgmax&, Range rows);
void activationGradient(const ActivationGradient&, Range pixels);
void drawFactors(const DropoutMask&, const std::int32_t* noise, std::int64_t sample, Range quads,
                 float* factors);
void dropout(const Dropout&, Range pixels);
double dotProduct(const DotProduct&, Range pixels);
void channelSums(const ChannelTerms&, Range pixels, Range channels, float* sums);
void channelMoments(const ChannelTerms&, Range pixels, Range channels, float* shift, float* sums,
                    float* squares);
void batchNorm(const BatchNorm&, Range pixels);
void batchNormGradientSums(const BatchNormGradient&, Range pixels, Range channels, float* sums,
                           float* products);
void batchNormGradient(const BatchNormGradient&, Range pixels);
void targetProbabilities(const CrossEntropy&, Range labelRows);
void crossEntropy(const CrossEntropy&, Range segments, double* losses);
void sgd(const Sgd&, Range elements);
void adamW(const AdamW&, Range elements);
void weightedSum(const WeightedSum&, Range elements);
double sumOfSquares(const float* x, Range elements);

}  // namespace ocrnet::cpu::OCRNET_ISA

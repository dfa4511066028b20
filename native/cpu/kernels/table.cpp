#include "cpu/kernels/table.h"

namespace ocrnet::cpu::OCRNET_ISA {

extern const Kernels kernels;
const Kernels kernels = {
    .normalizeImage = normalizeImage,
    .affine = affine,
    .cast = cast,
    .maxPool2d = maxPool2d,
    .adaptiveAveragePool2d = adaptiveAveragePool2d,
    .resizeBilinear = resizeBilinear,
    .resizeTaps = resizeTaps,
    .resizeBilinearGradient = resizeBilinearGradient,
    .maxPool2dGradient = maxPool2dGradient,
    .adaptiveAveragePool2dGradient = adaptiveAveragePool2dGradient,
    .softmax = softmax,
    .softmaxGradient = softmaxGradient,
    .exponentiateRegions = exponentiateRegions,
    .scaleRegions = scaleRegions,
    .sumRegionGradients = sumRegionGradients,
    .spatialSoftmaxGradient = spatialSoftmaxGradient,
    .aggregateRegions = aggregateRegions,
    .combineRegionSums = combineRegionSums,
    .packPanels = packPanels,
    .attendRegions = attendRegions,
    .attendRegionsGradient = attendRegionsGradient,
    .attendPixels = attendPixels,
    .mergeAttention = mergeAttention,
    .attendPixelsGradient = attendPixelsGradient,
    .pixelProduct = pixelProduct,
    .depthwiseFilterGradient = depthwiseFilterGradient,
    .resizeArgmax = resizeArgmax,
    .activationGradient = activationGradient,
    .dotProduct = dotProduct,
    .channelSums = channelSums,
    .channelMoments = channelMoments,
    .batchNorm = batchNorm,
    .batchNormGradientSums = batchNormGradientSums,
    .batchNormGradient = batchNormGradient,
    .targetProbabilities = targetProbabilities,
    .crossEntropy = crossEntropy,
    .sgd = sgd,
    .adamW = adamW,
    .weightedSum = weightedSum,
    .sumOfSquares = sumOfSquares,
};

}  // namespace ocrnet::cpu::OCRNET_ISA

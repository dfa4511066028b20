import { type AnyOpSpec, erase } from '../ir/op.js';
import { accumulate } from './accumulate.js';
import { activate, activateGradient } from './activate.js';
import { adamW } from './adam-w.js';
import { adaptiveAveragePool2d, adaptiveAveragePool2dGradient } from './adaptive-average-pool2d.js';
import { add } from './add.js';
import { adjustLossScale } from './adjust-loss-scale.js';
import { aggregateRegions } from './aggregate-regions.js';
import { allReduce } from './all-reduce.js';
import { attendCrissCross, attendCrissCrossGradient } from './attend-criss-cross.js';
import { attendPixels, attendPixelsGradient } from './attend-pixels.js';
import { attendRegions, attendRegionsGradient } from './attend-regions.js';
import { batchNorm } from './batch-norm.js';
import { batchNormGradient, batchNormTraining } from './batch-norm-training.js';
import { cast } from './cast.js';
import { channelSums } from './channel-sums.js';
import { concat } from './concat.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv2d.js';
import { conv2dMoments } from './conv2d-moments.js';
import { crossEntropy } from './cross-entropy.js';
import { distributeRegions } from './distribute-regions.js';
import { dropout } from './dropout.js';
import { gatherRegions } from './gather-regions.js';
import { globalNorm } from './global-norm.js';
import { join } from './join.js';
import { labelRegions } from './label-regions.js';
import { maxPool2d, maxPool2dGradient } from './max-pool2d.js';
import { movingAverage } from './moving-average.js';
import { normalizeImage } from './normalize-image.js';
import { resizeArgmax } from './resize-argmax.js';
import { resizeBilinear, resizeBilinearGradient } from './resize-bilinear.js';
import { resizeTaps } from './resize-taps.js';
import { dotProduct, scaleBy } from './scale-by.js';
import { scaleShift } from './scale-shift.js';
import { scoreRegions } from './score-regions.js';
import { sgd } from './sgd.js';
import { sliceChannels } from './slice-channels.js';
import { softmax, softmaxGradient } from './softmax.js';
import { spatialSoftmax, spatialSoftmaxGradient } from './spatial-softmax.js';

/** What networks consist of when they run. */
export const inferenceOperations: readonly AnyOpSpec[] = [
  normalizeImage,
  conv2d,
  batchNorm,
  scaleShift,
  scaleBy,
  activate,
  add,
  concat,
  cast,
  maxPool2d,
  adaptiveAveragePool2d,
  resizeBilinear,
  softmax,
  spatialSoftmax,
  labelRegions,
  aggregateRegions,
  distributeRegions,
  scoreRegions,
  attendRegions,
  resizeArgmax,
  resizeTaps,
  attendPixels,
  attendCrissCross,
  gatherRegions,
].map(erase);

/** What training adds: the backward pass, losses, optimisers. */
export const trainingOperations: readonly AnyOpSpec[] = [
  join,
  batchNormTraining,
  batchNormGradient,
  activateGradient,
  channelSums,
  dotProduct,
  resizeBilinearGradient,
  softmaxGradient,
  attendRegionsGradient,
  spatialSoftmaxGradient,
  maxPool2dGradient,
  adaptiveAveragePool2dGradient,
  conv2dInputGradient,
  conv2dFilterGradient,
  sliceChannels,
  crossEntropy,
  sgd,
  globalNorm,
  accumulate,
  adamW,
  movingAverage,
  allReduce,
  attendPixelsGradient,
  attendCrissCrossGradient,
  dropout,
  adjustLossScale,
  conv2dMoments,
].map(erase);

/** Every operation. The position is its code in an encoded plan; `npm run generate` writes the C++ side of this list. */
export const operations: readonly AnyOpSpec[] = [...inferenceOperations, ...trainingOperations];

export type InferenceOperationName =
  | (typeof activate)['name']
  | (typeof adaptiveAveragePool2d)['name']
  | (typeof add)['name']
  | (typeof aggregateRegions)['name']
  | (typeof attendCrissCross)['name']
  | (typeof attendPixels)['name']
  | (typeof attendRegions)['name']
  | (typeof batchNorm)['name']
  | (typeof cast)['name']
  | (typeof concat)['name']
  | (typeof conv2d)['name']
  | (typeof distributeRegions)['name']
  | (typeof gatherRegions)['name']
  | (typeof labelRegions)['name']
  | (typeof maxPool2d)['name']
  | (typeof normalizeImage)['name']
  | (typeof resizeArgmax)['name']
  | (typeof resizeBilinear)['name']
  | (typeof resizeTaps)['name']
  | (typeof scaleBy)['name']
  | (typeof scaleShift)['name']
  | (typeof scoreRegions)['name']
  | (typeof softmax)['name']
  | (typeof spatialSoftmax)['name'];

export type TrainingOperationName =
  | (typeof accumulate)['name']
  | (typeof activateGradient)['name']
  | (typeof adamW)['name']
  | (typeof adaptiveAveragePool2dGradient)['name']
  | (typeof adjustLossScale)['name']
  | (typeof allReduce)['name']
  | (typeof attendCrissCrossGradient)['name']
  | (typeof attendPixelsGradient)['name']
  | (typeof attendRegionsGradient)['name']
  | (typeof batchNormGradient)['name']
  | (typeof batchNormTraining)['name']
  | (typeof channelSums)['name']
  | (typeof conv2dFilterGradient)['name']
  | (typeof conv2dInputGradient)['name']
  | (typeof conv2dMoments)['name']
  | (typeof crossEntropy)['name']
  | (typeof dotProduct)['name']
  | (typeof dropout)['name']
  | (typeof globalNorm)['name']
  | (typeof join)['name']
  | (typeof maxPool2dGradient)['name']
  | (typeof movingAverage)['name']
  | (typeof resizeBilinearGradient)['name']
  | (typeof sgd)['name']
  | (typeof sliceChannels)['name']
  | (typeof softmaxGradient)['name']
  | (typeof spatialSoftmaxGradient)['name'];

export type OperationName = InferenceOperationName | TrainingOperationName;

const byName = new Map(operations.map((spec, opcode) => [spec.name, { spec, opcode }]));

/** Position of an operation in `operations`. */
export function opcodeOf(spec: AnyOpSpec): number {
  const known = byName.get(spec.name);
  if (known === undefined) throw new Error(`${spec.name} is not listed in ops/index.ts`);
  return known.opcode;
}

export {
  accumulate,
  activate,
  activateGradient,
  adamW,
  adaptiveAveragePool2d,
  adaptiveAveragePool2dGradient,
  add,
  adjustLossScale,
  aggregateRegions,
  allReduce,
  attendCrissCross,
  attendCrissCrossGradient,
  attendPixels,
  attendPixelsGradient,
  attendRegions,
  attendRegionsGradient,
  batchNorm,
  batchNormGradient,
  batchNormTraining,
  cast,
  channelSums,
  concat,
  conv2d,
  conv2dFilterGradient,
  conv2dInputGradient,
  conv2dMoments,
  crossEntropy,
  distributeRegions,
  dotProduct,
  dropout,
  gatherRegions,
  globalNorm,
  join,
  labelRegions,
  maxPool2d,
  maxPool2dGradient,
  movingAverage,
  normalizeImage,
  resizeArgmax,
  resizeBilinear,
  resizeBilinearGradient,
  resizeTaps,
  scaleBy,
  scaleShift,
  scoreRegions,
  sgd,
  sliceChannels,
  softmax,
  softmaxGradient,
  spatialSoftmax,
  spatialSoftmaxGradient,
};

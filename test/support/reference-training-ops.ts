import { elementCount } from '../../lib/ir/tensor-type.js';
import type { TrainingOperationName } from '../../lib/ops/index.js';
import { referenceAttentionGradients } from './reference-attention.js';
import { conv2dFilterGradient, conv2dInputGradient } from './reference-convolution-gradients.js';
import { dropout } from './reference-dropout.js';
import { crossEntropy } from './reference-losses.js';
import {
  activateGradient,
  batchNormGradient,
  batchNormTraining,
  channelSums,
  conv2dMoments,
} from './reference-normalisation.js';
import {
  accumulate,
  adamW,
  adjustLossScale,
  globalNorm,
  movingAverage,
  sgd,
} from './reference-optimisers.js';
import { referenceRegionGradients } from './reference-region-gradients.js';
import { erase, type Reference, type ReferenceOp, type ReferenceTensor } from './reference-tensor.js';
import { referenceWindowGradients } from './reference-window-gradients.js';

/** The operations of training in plain loops over float64: see reference-ops.ts. */

const join: ReferenceOp = (parts) => {
  const tensors = Object.values(parts);
  const count = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const data = new Float64Array(count);
  let first = 0;
  for (const tensor of tensors) {
    data.set(tensor.data, first);
    first += tensor.data.length;
  }
  return { y: { shape: [count], data } };
};

/** On one device. */
const allReduce: Reference<{ x: ReferenceTensor }, object> = ({ x }) => ({ y: x });

const dotProduct: Reference<{ a: ReferenceTensor; b: ReferenceTensor }, object> = ({ a, b }) => ({
  y: {
    shape: [1],
    data: Float64Array.of(a.data.reduce((sum, value, i) => sum + value * (b.data[i] as number), 0)),
  },
});

const sliceChannels: Reference<{ x: ReferenceTensor }, { first: number; count: number }> = (
  { x },
  { first, count },
) => {
  const channels = x.shape[3] as number;
  const isTaken = (_: number, i: number) => i % channels >= first && i % channels < first + count;
  return { y: { shape: [...x.shape.slice(0, 3), count], data: x.data.filter(isTaken) } };
};

export const referenceTrainingOps = {
  join,
  batchNormTraining: erase(batchNormTraining),
  batchNormGradient: erase(batchNormGradient),
  activateGradient: erase(activateGradient),
  channelSums: erase(channelSums),
  dotProduct: erase(dotProduct),
  dropout: erase(dropout),
  conv2dMoments: erase(conv2dMoments),
  conv2dInputGradient: erase(conv2dInputGradient),
  conv2dFilterGradient: erase(conv2dFilterGradient),
  ...referenceRegionGradients,
  ...referenceAttentionGradients,
  ...referenceWindowGradients,
  sliceChannels: erase(sliceChannels),
  crossEntropy: erase(crossEntropy),
  sgd: erase(sgd),
  globalNorm: erase(globalNorm),
  accumulate: erase(accumulate),
  adamW: erase(adamW),
  movingAverage: erase(movingAverage),
  allReduce: erase(allReduce),
  adjustLossScale: erase(adjustLossScale),
} satisfies Record<TrainingOperationName, ReferenceOp>;

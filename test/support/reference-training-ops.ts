import { elementCount } from '../../lib/ir/tensor-type.js';
import type { TrainingOperationName } from '../../lib/ops/index.js';
import { conv2dFilterGradient, conv2dInputGradient } from './reference-convolution-gradients.js';
import {
  activateGradient,
  batchNormGradient,
  batchNormTraining,
  channelSums,
} from './reference-normalisation.js';
import { erase, type ReferenceOp } from './reference-ops.js';
import { referenceRegionGradients } from './reference-region-gradients.js';
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

export const referenceTrainingOps = {
  join,
  batchNormTraining: erase(batchNormTraining),
  batchNormGradient: erase(batchNormGradient),
  activateGradient: erase(activateGradient),
  channelSums: erase(channelSums),
  conv2dInputGradient: erase(conv2dInputGradient),
  conv2dFilterGradient: erase(conv2dFilterGradient),
  ...referenceRegionGradients,
  ...referenceWindowGradients,
} satisfies Record<TrainingOperationName, ReferenceOp>;

import { float } from '../ir/attributes.js';
import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requireVector } from './shapes.js';

/**
 * Batch normalisation with running statistics: y = (x − runningMean) / √(runningVariance + epsilon) · weight + bias, per
 * channel. No device runs it: for inference it is folded into a convolution or becomes a scaleShift.
 */
export const batchNorm = defineOp({
  name: 'batchNorm',
  summary: 'batch normalisation with running statistics',
  inputs: ['x', 'weight', 'bias', 'runningMean', 'runningVariance'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { epsilon: float },
  facts: { compiledAway: true },
  infer({ x, weight, bias, runningMean, runningVariance }) {
    const channels = nhwc(x, 'x')[3];
    requireFloat(x, 'x');
    for (const [name, vector] of Object.entries({ weight, bias, runningMean, runningVariance }))
      requireVector(vector, name, channels);
    return { y: x };
  },
  flops: (_inputs, { y }) => 2 * elementCount(y.shape),
});

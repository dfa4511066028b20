import { float } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { nhwc, requireFloat, requireVector } from './shapes.js';

/**
 * Batch normalisation with running statistics: y = (x − runningMean) / √(runningVariance + epsilon) · weight + bias, per
 * channel. No device runs it: for inference it is folded into a convolution or becomes a scaleShift, for training it becomes
 * a batchNormTraining.
 */
export const batchNorm = defineOp({
  name: 'batchNorm',
  summary: 'batch normalisation with running statistics',
  inputs: ['x', 'weight', 'bias', 'runningMean', 'runningVariance'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { epsilon: float },
  facts: {
    compiledAway: true,
    exactInputs: ['weight', 'bias', 'runningMean', 'runningVariance'],
    affine: {
      input: 'x',
      parameters: ['weight', 'bias', 'runningMean', 'runningVariance'],
      coefficients([weight, bias, mean, variance], { epsilon }) {
        const scale = new Float32Array((weight as Float32Array).length);
        const shift = new Float32Array(scale.length);
        for (let channel = 0; channel < scale.length; channel++) {
          const deviation = Math.sqrt((variance?.[channel] as number) + (epsilon as number));
          scale[channel] = (weight?.[channel] as number) / deviation;
          shift[channel] =
            (bias?.[channel] as number) -
            ((mean?.[channel] as number) * (weight?.[channel] as number)) / deviation;
        }
        return { scale, shift };
      },
    },
  },
  infer({ x, weight, bias, runningMean, runningVariance }) {
    const channels = nhwc(x, 'x')[3];
    requireFloat(x, 'x');
    for (const [name, vector] of Object.entries({ weight, bias, runningMean, runningVariance }))
      requireVector(vector, name, channels);
    return { y: x };
  },
  flops: (_inputs, { y }) => 2 * elementCount(y.shape),
  gradient: notDifferentiable, // batchNormTraining takes its place before
});

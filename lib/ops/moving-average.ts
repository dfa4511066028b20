import { bool, float } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { requireFlat } from './shapes.js';

/**
 * average ← d · average + (1 − d) · values, flat vectors (n), with d = decay, or with `warmUp` the smaller of decay and
 * (1 + t) / (10 + t) at step t. schedule = (learning rate, t from 1). Where gradientScale is 0, in a step that is skipped, nothing
 * changes, not by a bit.
 */
export const movingAverage = defineOp({
  name: 'movingAverage',
  summary: 'exponential moving average',
  inputs: ['average', 'values', 'schedule'],
  optionalInputs: ['gradientScale'],
  outputs: ['newAverage'],
  attributes: { decay: float, warmUp: bool },
  facts: { updates: { newAverage: 'average' } },
  infer({ average, values, schedule, gradientScale }) {
    requireFlat({ average, values });
    requireFlat({ schedule }, 2);
    if (gradientScale) requireFlat({ gradientScale }, 1);
    return { newAverage: average };
  },
  flops: ({ average }) => 3 * elementCount(average.shape),
  gradient: notDifferentiable, // it ends a training step
});

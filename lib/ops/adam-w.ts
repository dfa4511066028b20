import { float, size } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { requireFlat, requireRange } from './shapes.js';

/**
 * One step t of AdamW (Loshchilov and Hutter 2019) on `count` parameters from the `first` on, of flat vectors (n), with the
 * rate r = learningRateScale · learning rate and g = gradients · gradientScale: parameters ← (1 − r · weightDecay) ·
 * parameters; first ← beta1 · first + (1 − beta1) · g; second ← beta2 · second + (1 − beta2) · g²; parameters ← parameters −
 * r · first / (1 − beta1ᵗ) / (√(second / (1 − beta2ᵗ)) + epsilon). As PyTorch's AdamW. schedule = (learning rate, t from 1).
 * Where gradientScale is 0 nothing changes, not by a bit; t counts on.
 */
export const adamW = defineOp({
  name: 'adamW',
  summary: 'Adam with decoupled weight decay',
  inputs: ['parameters', 'gradients', 'firstMoment', 'secondMoment', 'schedule'],
  optionalInputs: ['gradientScale'],
  outputs: ['newParameters', 'newFirstMoment', 'newSecondMoment'],
  attributes: {
    first: size,
    count: size,
    learningRateScale: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weightDecay: float,
  },
  facts: {
    updates: {
      newParameters: 'parameters',
      newFirstMoment: 'firstMoment',
      newSecondMoment: 'secondMoment',
    },
  },
  infer({ parameters, gradients, firstMoment, secondMoment, schedule, gradientScale }, range) {
    const count = requireFlat({ parameters, gradients, firstMoment, secondMoment });
    requireRange(range, count);
    requireFlat({ schedule }, 2);
    if (gradientScale) requireFlat({ gradientScale }, 1);
    return { newParameters: parameters, newFirstMoment: firstMoment, newSecondMoment: secondMoment };
  },
  flops: (_inputs, _outputs, { count }) => 14 * count,
  gradient: notDifferentiable, // it ends a training step
});

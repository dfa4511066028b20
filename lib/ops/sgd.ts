import { bool, float, size } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { requireFlat, requireRange } from './shapes.js';

/**
 * One step of stochastic gradient descent on `count` parameters from the `first` on, of flat vectors (n): g = gradients ·
 * gradientScale + weightDecay · parameters; velocity ← momentum · velocity + g; parameters ← parameters −
 * learningRateScale · learningRate · velocity, or with `nesterov` · (g + momentum · velocity). As PyTorch's SGD.
 * schedule = (learning rate, number of this step from 1). Where gradientScale is 0 nothing changes, not by a bit.
 */
export const sgd = defineOp({
  name: 'sgd',
  summary: 'stochastic gradient descent with momentum',
  inputs: ['parameters', 'gradients', 'velocity', 'schedule'],
  optionalInputs: ['gradientScale'],
  outputs: ['newParameters', 'newVelocity'],
  attributes: {
    first: size,
    count: size,
    learningRateScale: float,
    momentum: float,
    nesterov: bool,
    weightDecay: float,
  },
  facts: { updates: { newParameters: 'parameters', newVelocity: 'velocity' } },
  infer({ parameters, gradients, velocity, schedule, gradientScale }, range) {
    const count = requireFlat({ parameters, gradients, velocity });
    requireRange(range, count);
    requireFlat({ schedule }, 2);
    if (gradientScale) requireFlat({ gradientScale }, 1);
    return { newParameters: parameters, newVelocity: velocity };
  },
  flops: (_inputs, _outputs, { count }) => 7 * count,
  gradient: notDifferentiable, // it ends a training step
});

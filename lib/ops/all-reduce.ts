import { bool } from '../ir/attributes.js';
import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { requireFlat } from './shapes.js';

/**
 * The sum of a flat vector x (n) over the members m of the device's group: y = Σₘ xₘ, and y / members where `average`. Added in
 * float64, in the order of the members, and rounded once: y has the same bits on all of them. In a group of one y = x.
 *
 * The step waits until all members have come to it.
 */
export const allReduce = defineOp({
  name: 'allReduce',
  summary: 'sum or mean over the devices of a group',
  inputs: ['x'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { average: bool },
  facts: { inPlaceOf: 'x' },
  infer({ x }) {
    requireFlat({ x });
    return { y: x };
  },
  flops: (_inputs, { y }) => elementCount(y.shape),
  gradient: notDifferentiable, // it comes after the backward pass
});

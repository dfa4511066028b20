import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { requireFlat } from './shapes.js';

/**
 * total ← keep · total + scale · part, flat vectors (n): gradients of several batches. weights = (keep, scale); where keep is
 * 0 the old total is not read.
 */
export const accumulate = defineOp({
  name: 'accumulate',
  summary: 'sum of gradients over several batches',
  inputs: ['total', 'part', 'weights'],
  optionalInputs: [],
  outputs: ['newTotal'],
  attributes: {},
  facts: { updates: { newTotal: 'total' } },
  infer({ total, part, weights }) {
    requireFlat({ total, part });
    requireFlat({ weights }, 2);
    return { newTotal: total };
  },
  flops: ({ total }) => 3 * elementCount(total.shape),
  gradient: notDifferentiable, // it comes after the backward pass
});

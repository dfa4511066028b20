import { defineOp, notDifferentiable } from '../ir/op.js';
import { elementCount, type TensorType } from '../ir/tensor-type.js';

/**
 * Tensors in float32 one behind the other as a flat vector (n): the gradients of all parameters, in the order in which the
 * parameters lie. No device runs it: every part is written where it belongs.
 */
export const join = defineOp({
  name: 'join',
  summary: 'tensors one behind the other',
  inputs: [],
  optionalInputs: [],
  outputs: ['y'],
  attributes: {},
  facts: { joins: true, compiledAway: true },
  infer(parts) {
    const count = Object.values(parts as Record<string, TensorType>).reduce(
      (sum, { shape }) => sum + elementCount(shape),
      0,
    );
    return { y: { dataType: 'float32', shape: [count] } };
  },
  flops: () => 0,
  gradient: notDifferentiable, // it comes after the backward pass
});

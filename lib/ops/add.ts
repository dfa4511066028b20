import { defineOp } from '../ir/op.js';
import { elementCount } from '../ir/tensor-type.js';
import { beforeActivation } from './activate.js';
import { epilogueAttributes } from './epilogue.js';
import { nhwc, requireFloat, requireSameType } from './shapes.js';

/**
 * y = activation(a + b) of activations (N, H, W, C), or of vectors (n): gradients of what is read several times. The compiler makes one of the two a residual of the operation that computes the other.
 */
export const add = defineOp({
  name: 'add',
  summary: 'element-wise sum',
  inputs: ['a', 'b'],
  optionalInputs: [],
  outputs: ['y'],
  attributes: { ...epilogueAttributes },
  facts: { epilogue: { activation: true }, inPlaceOf: 'a', readsSlices: ['a', 'b'], writesSlices: true },
  infer({ a, b }) {
    if (a.shape.length !== 1) nhwc(a, 'a');
    requireFloat(a, 'a');
    requireSameType(a, b, 'a and b');
    return { y: a };
  },
  flops: (_inputs, { y }) => elementCount(y.shape),
  gradient: ({ outputs, attributes, outputGradients: { y: dy }, add: emit }) => {
    const sum = dy && beforeActivation(emit, dy, outputs.y, attributes);
    return { a: sum, b: sum };
  },
});
